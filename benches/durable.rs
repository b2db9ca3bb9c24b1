//! Figure 6: durable events a second through the archive, against the same INSERT in a loop in C.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use cargo_metadata::MetadataCommand;
use slipway_domain::event::{Action, Detail, Event, ResourceType, Source};
use slipway_domain::name::Uid;
use slipway_domain::phase::Phase;
use slipway_store::{Archive, Options, Record};

use crate::Outcome;
use crate::report::{Goal, Report};
use crate::sample::{Sample, number};

const LIFE: [(Action, Phase); 6] = [
    (Action::ReleaseCreated, Phase::Pending),
    (Action::ReleasePreviewed, Phase::Previewed),
    (Action::ReleasePendingApproval, Phase::PendingApproval),
    (Action::ReleaseApproved, Phase::Approved),
    (Action::ReleaseApplying, Phase::Applying),
    (Action::ReleaseApplied, Phase::Succeeded),
];
/// What libsqlite3-sys compiles SQLite with, as far as it is on the path of a commit.
const FLAGS: [&str; 10] = [
    "-O3",
    "-DSQLITE_CORE",
    "-DSQLITE_DEFAULT_FOREIGN_KEYS=1",
    "-DSQLITE_ENABLE_API_ARMOR",
    "-DSQLITE_ENABLE_COLUMN_METADATA",
    "-DSQLITE_ENABLE_MEMORY_MANAGEMENT",
    "-DSQLITE_ENABLE_STAT4",
    "-DSQLITE_THREADSAFE=1",
    "-DHAVE_USLEEP=1",
    "-DHAVE_ISNAN",
];

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Events a round.
    #[arg(long, default_value_t = 1200)]
    events: usize,
    /// Rounds, each of all sides in turn.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { events: 1200, rounds: 15 }
    }
}

pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let program = compile(folder.path())?;
    let mut loops = Vec::new();
    let mut callers = [1, 32, 64].map(|callers| (callers, Vec::new()));
    for round in 0..arguments.rounds {
        loops.push(in_c(&program, folder.path(), arguments.events, round)?);
        for (count, taken) in &mut callers {
            taken.push(archive(folder.path(), arguments.events, round, *count).await?);
        }
    }
    report.note("a durable event in C", format!("{:.0} µs", Sample::new(loops.clone()).median()));
    for (count, taken) in callers {
        let ratios = Sample::new(loops.iter().zip(&taken).map(|(least, taken)| least / taken).collect());
        let title = format!("durable events a second ÷ a loop in C, {count} callers");
        report.goal(&title, ratios.median(), "", Goal::AtLeast(0.85));
        let median = Sample::new(taken).median();
        report.note(format!("{title}: µs an event, range of the ratio"), format!("{median:.0} µs, {}", ratios.range()));
    }
    Ok(())
}

/// Compiles the loop with the very SQLite that the archive is built with.
fn compile(folder: &Path) -> Outcome<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let metadata =
        MetadataCommand::new().manifest_path(here.join("Cargo.toml")).other_options(["--offline".into()]).exec()?;
    let sys = metadata.packages.iter().find(|package| package.name.as_str() == "libsqlite3-sys");
    let sqlite = sys.and_then(|package| package.manifest_path.parent()).ok_or("libsqlite3-sys is not used")?;
    let sqlite = sqlite.join("sqlite3").into_std_path_buf();
    let program = folder.join("loop");
    let status = Command::new("cc")
        .args(FLAGS)
        .arg("-I")
        .arg(&sqlite)
        .arg(here.join("loop.c"))
        .arg(sqlite.join("sqlite3.c"))
        .args(["-lpthread", "-lm", "-ldl", "-o"])
        .arg(&program)
        .status()?;
    if status.success() { Ok(program) } else { Err(format!("cc: {status}").into()) }
}

/// Microseconds that an event takes in the loop.
fn in_c(program: &Path, folder: &Path, events: usize, round: usize) -> Outcome<f64> {
    let migration = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/0001_archive.sql");
    let output = Command::new(program)
        .arg(folder.join(format!("loop-{round}.db")))
        .arg(migration)
        .args([events.to_string(), "0".to_owned()])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// Microseconds that an event takes through the archive, asked by `callers` at a time.
async fn archive(folder: &Path, events: usize, round: usize, callers: usize) -> Outcome<f64> {
    let archive = Archive::open(&folder.join(format!("archive-{round}-{callers}.db")), Options::default())?;
    let resources = events / LIFE.len();
    let start = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let archive = archive.clone();
            tokio::spawn(async move {
                let mut stored = 0;
                for resource in (caller..resources).step_by(callers) {
                    for at in 0..LIFE.len() {
                        let events = vec![event(resource, at)?];
                        archive.record(Record { events, ..Record::default() }).await?;
                        stored += 1;
                    }
                }
                Outcome::Ok(stored)
            })
        })
        .collect();
    let mut stored = 0;
    for task in tasks {
        stored += task.await??;
    }
    let taken = start.elapsed().as_secs_f64() * 1e6 / number(stored);
    archive.close().await?;
    Ok(taken)
}

fn event(resource: usize, at: usize) -> Outcome<Event> {
    let uid: Uid = format!("0b1d0d8e-0000-4000-8000-{resource:012}").parse()?;
    let seq = u64::try_from(at)? + 1;
    let (action, phase) = LIFE.get(at).copied().ok_or("no such event")?;
    Ok(Event {
        event_id: Event::id(&uid, seq),
        seq,
        epoch: 3,
        action,
        resource_type: ResourceType::Deployment,
        resource_id: uid,
        resource_name: "shop/web-v1".to_owned(),
        project_id: "shop".to_owned(),
        team_id: "web".to_owned(),
        environment_id: "production".to_owned(),
        actor_id: "alice@example.com".parse()?,
        source: Source::Kubectl,
        status: phase.status().to_owned(),
        occurred_at: "2026-01-02T03:04:05.5Z".parse()?,
        detail: Detail::from([("note".to_owned(), "some note about it".to_owned())]),
    })
}
