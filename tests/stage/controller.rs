//! A running `slipway controller`, ended by its own process id when it goes out of scope.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use super::install;
use super::wait::{PATIENCE, answered};

/// A controller process.
#[derive(Debug)]
pub struct Controller {
    child: Child,
    log: Arc<Mutex<String>>,
    lines: watch::Receiver<usize>,
    reader: Option<JoinHandle<()>>,
}

/// How a controller ended.
#[derive(Debug)]
pub struct Ending {
    /// Its exit status.
    pub status: ExitStatus,
    /// Everything it said.
    pub log: String,
}

impl Controller {
    /// Starts a controller for one namespace, with a lease of that name.
    pub fn start(kubeconfig: &Path, namespace: &str, database: &Path) -> Self {
        let mut child = Command::new(install::slipway())
            .arg("controller")
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .arg("--database")
            .arg(database)
            .args(["--listen", "127.0.0.1:0", "--namespace", namespace, "--lease-name", namespace])
            .env("NO_COLOR", "1")
            .env("SLIPWAY_LOG", "debug,hyper=info,hyper_util=info,h2=info,rustls=info,tower=info,reqwest=info")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::<Mutex<String>>::default();
        let (count, lines) = watch::channel(0);
        let (stderr, copy) = (child.stderr.take().unwrap(), log.clone());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = copy.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
                drop(log);
                count.send_modify(|count| *count += 1);
            }
        });
        Self { child, log, lines, reader: Some(reader) }
    }

    /// Everything it has said.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The end of what it has said, for a test that fails.
    pub fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> =
            log.lines().filter(|line| !line.contains(" DEBUG ") && !line.contains(" TRACE ")).collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Waits until it has said `words`.
    pub async fn says(&self, words: &str) {
        let mut lines = self.lines.clone();
        let said = async {
            while !self.log().contains(words) {
                if lines.changed().await.is_err() {
                    assert!(
                        self.log().contains(words),
                        "the controller ended without saying {words:?}:\n{}",
                        self.log()
                    );
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, said).await;
        assert!(in_time.is_ok(), "the controller did not say {words:?}:\n{}", self.last_words());
    }

    /// What `path` answers, and its status.
    pub async fn fetch(&self, path: &str) -> (u16, String) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        self.says("address=").await;
        let log = self.log();
        let address = log.split_once("address=").unwrap().1.split_whitespace().next().unwrap();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: slipway\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
    }

    /// Waits until `path` answers with these words in it.
    pub async fn shows(&self, path: &str, words: &str) {
        self.answers(path, None, words).await;
    }

    /// Waits until `/readyz` answers with this status and these words in it, and gives all that it says.
    pub async fn readyz(&self, status: u16, words: &str) -> String {
        self.answers("/readyz", Some(status), words).await
    }

    async fn answers(&self, path: &str, status: Option<u16>, words: &str) -> String {
        let mut last = None;
        let met = answered(async || {
            let (now, body) = self.fetch(path).await;
            let met = status.is_none_or(|status| status == now) && body.contains(words);
            last = Some((now, body.clone()));
            met.then_some(body)
        });
        if let Some(body) = met.await {
            return body;
        }
        panic!("{path} does not answer {status:?} {words:?} but {last:?}\n{}", self.last_words());
    }

    /// Sends SIGTERM, and waits for the end.
    pub async fn stop(mut self) -> Ending {
        self.signal("TERM");
        let status = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let status = status.unwrap_or_else(|_| panic!("the controller did not end:\n{}", self.last_words()));
        self.reader.take().map(JoinHandle::join);
        Ending { status, log: self.log() }
    }

    /// Sends SIGKILL: the process has no say.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        assert!(sent.success(), "kill -s {signal} {pid}");
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The scenario failed: what the controller last said is half of the diagnosis.
            #[allow(clippy::print_stderr, reason = "a test that fails talks to its terminal")]
            {
                eprintln!("--- controller {}\n{}\n---", self.child.id(), self.last_words());
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
