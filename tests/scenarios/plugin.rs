//! `kubectl slipway`, as people run it: the built program, each command a process of its own.

mod actions;
mod answers;
mod checkup;
mod difference;
mod input;
mod kubectl;
mod mailbox;
mod story;

use std::path::PathBuf;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use slipway_tests::plane::Plane;
use slipway_tests::stage::objects::{With as _, config, environment, release};
use slipway_tests::stage::{ALICE, PATIENCE, Stage};
use tokio::process::Command;

/// What a command said, and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let said = Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
        // Nothing here is a terminal, so nothing may be painted.
        assert!(!said.stdout.contains('\u{1b}') && !said.stderr.contains('\u{1b}'), "{said:?}");
        said
    }

    /// What it said, if it did what was asked.
    #[track_caller]
    fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// What it complained of, if it was refused.
    #[track_caller]
    fn refused(self) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        self.stderr
    }

    /// What it complained of, if it was asked wrongly.
    #[track_caller]
    fn misused(self) -> String {
        assert_eq!(self.code, Some(2), "{self:?}");
        self.stderr
    }

    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.well()).unwrap()
    }
}

/// The folder of the built programs.
fn programs() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release")).unwrap();
    let program = folder.join("kubectl-slipway");
    assert!(program.exists(), "{} is not there: run `make build`", program.display());
    folder.to_owned()
}

/// The plugin in the namespace of a stage, not yet as anyone.
fn command(stage: &Stage) -> Command {
    let mut command = Command::new(programs().join("kubectl-slipway"));
    command.env("KUBECONFIG", Plane::shared().unwrap().kubeconfig()).args(["--namespace", &stage.namespace]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs the plugin as a person, with arguments that hold no white space.
async fn run(stage: &Stage, person: &str, line: &str) -> Said {
    say(stage, person, line, None).await
}

/// The same, with a note.
async fn say(stage: &Stage, person: &str, line: &str, note: Option<&str>) -> Said {
    let mut command = command(stage);
    command.args(["--as", person]).args(line.split_whitespace());
    if let Some(note) = note {
        command.args(["--note", note]);
    }
    ended(command).await
}

async fn ended(mut command: Command) -> Said {
    let output = tokio::time::timeout(PATIENCE * 2, command.output()).await;
    Said::of(&output.unwrap_or_else(|_| panic!("{command:?} did not end")).unwrap())
}

/// Asks for a release in an Environment, through the plugin.
async fn ask(stage: &Stage, person: &str, name: &str, service: &str, place: &str) {
    let line = format!(
        "new {name} --service {service} --environment {place} --release {name} --work 12 --rollback-plan back --risk low --apply"
    );
    let said = run(stage, person, &line).await.well();
    assert!(said.starts_with(&format!("deployment.slipway.dev/{name} created\n")), "{said}");
}

/// A production Environment in the stage's own namespace.
fn production(stage: &Stage) -> Value {
    environment("prod", &stage.namespace).with("spec.tier", "production")
}

/// A change to production that waits for so many approvals.
async fn pending(count: u32) -> Stage {
    let stage = Stage::open().await;
    stage.apply(ALICE, &production(&stage).with("spec.policy.approval.count", count)).await;
    stage.apply(ALICE, &release("web-v1", "web", &[config("web", &json!({"a": "b"}))])).await;
    ask(&stage, ALICE, "web-v1", "web", "prod").await;
    stage.waits("web-v1", "ConfirmationRequired").await;
    run(&stage, ALICE, "confirm web-v1 --yes --wait").await.well();
    stage
}
