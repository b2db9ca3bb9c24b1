//! `kubectl slipway`: what a person sees of a Deployment, and what they say about it.
//!
//! Nothing is decided here. A decision is an entry in the object's spec; whether it is accepted is the API server's to say,
//! and what follows from it the controller's. Exit codes: 0 done, 1 refused or failed, 2 it was asked wrongly.

mod access;
mod asked;
mod back;
mod card;
mod clock;
mod completion;
mod decide;
mod difference;
mod doctor;
mod end;
mod freeze;
mod hint;
mod history;
mod inbox;
mod installed;
mod intent;
mod name;
mod new;
mod next;
mod object_tree;
mod outcome;
mod output;
mod paint;
mod preview;
mod prompt;
mod refusal;
mod reset;
mod rights;
mod schema;
mod seen;
mod status;
mod table;
mod tree;
mod twice;
mod variables;
mod waiting;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::Failure;
use access::Globals;
use intent::Intent;

/// Look at Deployments, and decide about them: preview, confirm, approve, roll back.
#[derive(Debug, Parser)]
#[command(name = "kubectl-slipway", bin_name = "kubectl slipway", version, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a Deployment would change, as a difference; secret values are never shown.
    Preview(preview::Arguments),
    /// Confirm the preview that is shown, and so ask for its review or its start.
    Confirm(asked::Judgement),
    /// Approve what is shown: the preview, or a rollback that waits for review.
    Approve(asked::Judgement),
    /// Refuse what is shown, and say why.
    Reject(asked::Rejection),
    /// Report that work by hand has begun.
    Start(asked::Report),
    /// Report that work by hand has succeeded.
    Succeed(asked::Report),
    /// Report that work by hand has failed, and say why.
    Fail(asked::Act),
    /// Ask for the release before this one.
    Rollback(asked::Act),
    /// Stop a Deployment.
    Abort(asked::Act),
    /// Go ahead without review and through a freeze; somebody looks at it afterwards.
    BreakGlass(asked::Act),
    /// Record that you looked at what went ahead without review.
    AfterReview(asked::Act),
    /// Go ahead in spite of a freeze window.
    OverrideFreeze(asked::Act),
    /// Free an Environment after an operation that failed.
    Reset(reset::Arguments),
    /// Show where a Deployment stands, with the objects and pods of its service.
    Status(status::Arguments),
    /// Show who did what and when.
    History(history::Arguments),
    /// Show what waits for someone: Deployments, and Environments after a failure.
    Inbox(inbox::Arguments),
    /// Follow a Deployment until it ends, or stands still because somebody has to do something; the exit code says how.
    Watch(watch::Arguments),
    /// Write a Deployment as YAML.
    New(new::Arguments),
    /// Check what is installed, whether the controller is alive, and what you may do.
    Doctor(doctor::Arguments),
    /// Print what makes the shell complete these commands.
    Completion(completion::Arguments),
    /// Answer kubectl's own completion.
    #[command(name = "__complete", hide = true, disable_help_flag = true)]
    Complete(completion::Words),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let Arguments { globals, command } = Arguments::parse();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Usage(format!("the runtime cannot be started: {error}")))
        .and_then(|runtime| runtime.block_on(run(&globals, command)));
    let (code, message) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::No(message)) => (1, refusal::perhaps_elsewhere(message, globals.namespace())),
        Err(Failure::Usage(message)) => (2, message),
    };
    if !message.is_empty() {
        eprintln!("error: {message}");
    }
    ExitCode::from(code)
}

async fn run(globals: &Globals, command: Command) -> Result<(), Failure> {
    match command {
        Command::Preview(arguments) => preview::run(globals, arguments).await,
        Command::Confirm(judgement) => decide::run(globals, judgement.of(Intent::Confirm)).await,
        Command::Approve(judgement) => decide::run(globals, judgement.of(Intent::Approve)).await,
        Command::Reject(rejection) => decide::run(globals, rejection.asked()).await,
        Command::Start(report) => decide::run(globals, report.of(Intent::Start)).await,
        Command::Succeed(report) => decide::run(globals, report.of(Intent::Succeed)).await,
        Command::Fail(act) => decide::run(globals, act.of(Intent::Fail)).await,
        Command::Rollback(act) => decide::run(globals, act.of(Intent::Rollback)).await,
        Command::Abort(act) => decide::run(globals, act.of(Intent::Abort)).await,
        Command::BreakGlass(act) => decide::run(globals, act.of(Intent::BreakGlass)).await,
        Command::AfterReview(act) => decide::run(globals, act.of(Intent::AfterReview)).await,
        Command::OverrideFreeze(act) => decide::run(globals, act.of(Intent::OverrideFreeze)).await,
        Command::Reset(arguments) => reset::run(globals, arguments).await,
        Command::Status(arguments) => status::run(globals, arguments).await,
        Command::History(arguments) => history::run(globals, arguments).await,
        Command::Inbox(arguments) => inbox::run(globals, arguments).await,
        Command::Watch(arguments) => watch::run(globals, arguments).await,
        Command::New(arguments) => new::run(globals, arguments).await,
        Command::Doctor(arguments) => doctor::run(globals, arguments).await,
        Command::Completion(arguments) => completion::print(&arguments),
        Command::Complete(words) => completion::answer(&words),
    }
}
