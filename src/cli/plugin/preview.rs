//! `kubectl slipway preview`: what would change, before anyone decides about it.

use std::fmt::Write as _;

use serde_json::json;

use super::access::Globals;
use super::name::OfDeployment;
use super::output::{self, Output};
use super::paint::Paint;
use super::seen::Seen;
use super::{card, clock, difference};
use crate::{Failure, answer};

/// What is shown.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    deployment: OfDeployment,
    /// Only what the controller found, without the difference.
    #[arg(long)]
    summary: bool,
    /// Print preview and difference in this format.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

pub(super) async fn run(
    globals: &Globals,
    Arguments { deployment, summary, output }: Arguments,
) -> Result<(), Failure> {
    let name = deployment.read()?;
    let access = globals.open().await?;
    let seen = Seen::read(&access, &name).await?;
    let paint = Paint::stdout();
    if output.is_none() {
        answer(&card::card(&seen, clock::now(), paint))?;
    }
    if summary && output.is_none() {
        return Ok(());
    }
    let caller = access.whoami().await?;
    let found = difference::of(&access, &caller, &seen).await;
    for remark in &found.since {
        eprintln!("warning: {remark}");
    }
    let diff: Result<String, String> = found.outlook.map(|outlook| masked(&outlook.diff));
    if let Some(output) = output {
        let preview = seen.status().and_then(|status| status.preview.as_ref());
        let mut all = json!({"preview": preview, "since": found.since});
        match diff {
            Ok(diff) => all["diff"] = diff.into(),
            Err(why) => all["noDiff"] = why.as_str().into(),
        }
        return output::print(output, &all, &[output::deployment(&name)]);
    }
    match diff {
        Ok(diff) if diff.is_empty() => {
            answer("\nNothing would change: the live objects are as the release wants them.\n")
        }
        Ok(diff) => answer(&format!("\n{}", paint.difference(&obedient(&diff)))),
        Err(why) => {
            eprintln!("warning: no difference can be shown: {why}");
            Ok(())
        }
    }
}

/// Keyed hashes stand for secret values. All that they tell is whether two are the same; a few digits tell that too.
fn masked(diff: &str) -> String {
    const SEAL: &str = "hmac-sha256:";
    let mut parts = diff.split(SEAL);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        let kept = digits.min(6);
        let _ = write!(out, "(sealed {})", &part[..kept]);
        out.push_str(&part[digits..]);
    }
    out
}

/// Without anything that a terminal would obey: manifests come from whoever wrote them.
fn obedient(diff: &str) -> String {
    diff.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_secret_only_whether_it_changed_is_shown() {
        let diff = format!("-  a: hmac-sha256:{}\n+  a: hmac-sha256:{}\n", "0f".repeat(32), "1e".repeat(32));
        assert_eq!(masked(&diff), "-  a: (sealed 0f0f0f)\n+  a: (sealed 1e1e1e)\n");
        assert_eq!(masked("nothing\n"), "nothing\n");
    }

    #[test]
    fn a_manifest_cannot_speak_to_the_terminal() {
        assert_eq!(obedient("+ a\u{1b}[2J\n"), "+ a\u{fffd}[2J\n");
    }
}
