//! What the doctor sees: what is installed, whether the controller lives, and what each person may do.

use slipway_tests::stage::objects::environment;
use slipway_tests::stage::{ALICE, Stage};

use super::{command, ended, run};

#[tokio::test]
async fn the_doctor_tells_what_is_installed_who_is_alive_and_who_may_do_what() {
    let mut stage = Stage::open().await;
    stage.apply(ALICE, &environment("dev", &stage.namespace)).await;
    let mut admin = command(&stage);
    admin.args(["doctor", "-o", "json", "--lease-name", &stage.namespace]);
    let read = ended(admin).await.json();
    assert_eq!(read["controller"]["state"], "alive", "{read}");
    let installed = read["installed"].as_array().unwrap();
    assert!(installed.len() > 8 && installed.iter().all(|one| one["state"] == "asGenerated"), "{read:#}");
    let all = ["deploy", "approve", "rollback", "reset", "backup", "breakglass", "govern"];
    assert_eq!(read["rights"][0]["verbs"], serde_json::json!(all));

    assert_eq!(read["namespace"], "slipway-system", "as the policies say");

    // Who may see neither the lease nor the policies is told so, in few words; that is not the fault of the installation.
    let mine = run(&stage, ALICE, "doctor").await.well();
    for words in ["you may not see the ", "policies and bindings", "slipway-auditor", "/readyz"] {
        assert!(mine.contains(words), "{words}: {mine}");
    }
    assert!(mine.lines().count() < 15 && !mine.contains("forbidden"), "{mine}");
    assert!(mine.starts_with("You are alice@example.com.\n") && mine.contains("not known: "), "{mine}");
    assert!(mine.contains("dev") && !mine.contains("no   "), "{mine}");
    let stranger = run(&stage, "dave@example.com", "doctor").await;
    assert!(stranger.stdout.contains("no Environment is to be seen here"), "{stranger:?}");

    // In another namespace another account would write status: these policies are not those of Slipway there.
    let mut elsewhere = command(&stage);
    elsewhere.args(["doctor", "--slipway-namespace", "elsewhere", "--lease-namespace", "slipway-system"]);
    elsewhere.args(["--lease-name", &stage.namespace]);
    let said = ended(elsewhere).await;
    assert!(said.stdout.contains("nothing is installed for namespace elsewhere: "), "{said:?}");
    assert!(said.stdout.contains("those of Slipway in namespace slipway-system"), "{said:?}");
    assert!(!said.stdout.contains("altered"), "{said:?}");
    said.refused();

    let mut never = command(&stage);
    never.args(["doctor", "--lease-name", "nobody"]);
    let said = ended(never).await;
    assert!(said.stdout.contains("never seen"), "{said:?}");
    said.refused();
    stage.stop().await;
    let mut late = command(&stage);
    late.args(["doctor", "--lease-name", &stage.namespace]);
    let said = ended(late).await;
    assert!(said.stdout.contains("not alive"), "{said:?}");
    said.refused();
}
