//! When a plane is to end: on a signal, or with its owner.
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::error::PlaneError;

/// What a supervisor waits for.
#[derive(Debug)]
pub(super) struct End {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    owner: Option<oneshot::Receiver<()>>,
}

impl End {
    /// Listens from now on. An owned supervisor also ends when its stdin does: the kernel closes that pipe even for an
    /// owner that was killed.
    pub(super) fn listen(owned: bool) -> Result<Self, PlaneError> {
        let on = |kind| signal(kind).map_err(PlaneError::Signals);
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
            owner: owned.then(owner_gone),
        })
    }

    pub(super) async fn wait(&mut self) {
        let owner = async {
            match &mut self.owner {
                Some(gone) => drop(gone.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
            () = owner => {}
        }
    }
}

/// Reads stdin to its end on a thread of its own: a read there cannot be given up, and the runtime would wait for it.
fn owner_gone() -> oneshot::Receiver<()> {
    let (gone, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = gone.send(());
    });
    receiver
}
