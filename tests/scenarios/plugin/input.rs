//! What is asked wrongly is refused before a cluster is asked, with what would be right.

use tokio::process::Command;

use super::{Said, ended, programs};

/// The plugin where there is no cluster: whoever gets as far as to look for one is told so.
async fn say(arguments: &[&str]) -> Said {
    let mut command = Command::new(programs().join("kubectl-slipway"));
    command.args(arguments).env("KUBECONFIG", "/nonexistent").stdin(std::process::Stdio::null());
    ended(command).await
}

/// Every command that takes a Deployment, with what it needs besides.
const OF_A_DEPLOYMENT: [(&str, &[&str]); 14] = [
    ("preview", &[]),
    ("status", &[]),
    ("watch", &[]),
    ("history", &[]),
    ("confirm", &[]),
    ("approve", &[]),
    ("start", &[]),
    ("succeed", &[]),
    ("reject", &["-m", "why"]),
    ("fail", &["-m", "why"]),
    ("rollback", &["-m", "why"]),
    ("abort", &["-m", "why"]),
    ("break-glass", &["-m", "why"]),
    ("override-freeze", &["-m", "why"]),
];

#[tokio::test]
async fn what_is_no_name_is_refused_before_anything_is_asked() {
    for (command, rest) in OF_A_DEPLOYMENT {
        let said = say(&[&[command, "web?watch=1"][..], rest].concat()).await.misused();
        assert!(said.contains("no Deployment can be named") && said.contains("next: write it as"), "{said}");
    }
    for bad in ["", "a b", "a#b", "a%2Fb", "..", "slipd/", "slipd/a/b", "UPPER"] {
        let said = say(&["status", bad]).await.misused();
        assert!(said.contains("no Deployment can be named"), "{bad}: {said}");
    }
    let said = say(&["reset", "prod?", "-m", "why"]).await.misused();
    assert!(said.contains("no Environment can be named \"prod?\""), "{said}");
    for arguments in [["-n", "a/b", "inbox"], ["-n", "", "inbox"], ["doctor", "--lease-name", "a?b"]] {
        let said = say(&arguments).await.misused();
        assert!(said.starts_with("error: invalid value"), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_type_before_the_name_has_to_be_the_right_one() {
    for named in ["slipd/web", "deployment/web", "deployments.slipway.dev/web", "Deployment.slipway.dev/web"] {
        let said = say(&["status", named]).await.misused();
        assert!(said.contains("no cluster is configured"), "{named}: {said}");
    }
    assert!(say(&["status", "slipd", "web"]).await.misused().contains("no cluster is configured"));
    for named in [&["deploy/web"][..], &["deployment.apps/web"], &["slipe/web"], &["dep", "web"]] {
        let said = say(&[&["status"][..], named].concat()).await.misused();
        assert!(said.contains("is not the type of Slipway's Deployment"), "{named:?}: {said}");
        assert!(said.contains("slipd/NAME or deployments.slipway.dev/NAME"), "{named:?}: {said}");
    }
    let said = say(&["reset", "slipd/prod", "-m", "why"]).await.misused();
    assert!(said.contains("slipe/NAME or environments.slipway.dev/NAME"), "{said}");
}

#[tokio::test]
async fn everything_that_acts_takes_yes() {
    for (command, rest) in OF_A_DEPLOYMENT.into_iter().skip(4) {
        let said = say(&[&[command, "web", "--yes"][..], rest].concat()).await.misused();
        assert!(said.contains("no cluster is configured"), "{command}: {said}");
    }
    for line in [["after-review", "web"], ["reset", "prod"]] {
        let said = say(&[&line[..], &["--yes", "-m", "why"]].concat()).await.misused();
        assert!(said.contains("no cluster is configured"), "{line:?}: {said}");
    }
}

#[tokio::test]
async fn a_slip_of_the_hand_is_answered_with_what_was_meant() {
    for (arguments, words) in [
        (&["aprove", "web"][..], "'approve'"),
        (&["approve", "web", "--yess"], "'--yes'"),
        (&["rollback", "web"], "--note <TEXT>"),
        (&["rollback", "web", "--note", ""], "note must not be empty: say why"),
        (&["reset", "prod", "--note", " "], "note must not be empty: say why"),
        (&["approve", "web", "--note", ""], "note must not be empty: say why"),
        (&["inbox", "--as", ""], "the name must not be empty"),
        (&["inbox", "--as", "a", "--as-group", ""], "the name must not be empty"),
        (&["new", "web", "--var", "1=2"], "cannot be asked for"),
        (&["new", "Web"], "lower-case letters"),
        (&["watch", "web", "--timeout", "5"], "write it as 30s, 5m or 2h"),
    ] {
        let said = say(arguments).await.misused();
        assert!(said.starts_with("error: ") && said.contains(words), "{arguments:?}: {said}");
    }
}
