//! The controller's own account, for a controller that runs outside the cluster.

use std::os::unix::fs::PermissionsExt as _;

use slipway_tests::plane::Plane;
use slipway_tests::stage::Stage;

use super::binary::say;

#[tokio::test]
async fn a_controller_that_may_not_write_status_says_which_account_may() {
    let stage = Stage::dark().await;
    let admin = Plane::shared().unwrap().kubeconfig().display();
    let database = stage.database();
    let run = format!("controller --kubeconfig {admin} --database {} --listen 127.0.0.1:0", database.display());
    let said = say(&run).await.usage();
    assert!(said.contains("may not write status") && said.contains("slipway kubeconfig --output FILE"), "{said}");
    assert!(!database.exists(), "nothing is begun");
}

#[tokio::test]
async fn a_kubeconfig_of_the_account_is_for_its_owner_and_does() {
    let stage = Stage::dark().await;
    let admin = Plane::shared().unwrap().kubeconfig().display();
    let path = stage.database().with_file_name("written.kubeconfig");
    std::fs::write(&path, "of somebody else").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = say(&format!("kubeconfig --kubeconfig {admin} --output {}", path.display())).await.done();
    assert_eq!(said, "", "a token is not printed");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let who = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
    let written = path.display().to_string();
    assert_eq!(
        stage.kubectl_says(&[&["--kubeconfig", &written][..], &who].concat()),
        "system:serviceaccount:slipway-system:slipway"
    );
    let nowhere = say(&format!("kubeconfig --kubeconfig {admin} --namespace default --output {written}")).await.no();
    assert!(nowhere.contains("is Slipway installed there?"), "{nowhere}");
}
