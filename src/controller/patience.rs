//! A direct read, on which it depends whether something may be written, is made again before it counts as failed.
//!
//! A connection that was reset is not a reason to fail an attempt, of which there are few.

use std::fmt::Display;
use std::time::Duration;

/// How often something is asked, and how long an answer is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    limit: Duration,
    tries: u32,
    pause: Duration,
}

impl Patience {
    /// For the reads right before a write.
    pub const FENCE: Self = Self { limit: Duration::from_secs(5), tries: 3, pause: Duration::from_millis(200) };

    /// The first answer, or what went wrong last.
    pub async fn ask<T, E, F>(&self, what: &str, read: impl Fn() -> F) -> Result<T, String>
    where
        E: Display,
        F: Future<Output = Result<T, E>>,
    {
        let mut tried = 1;
        loop {
            let why = match tokio::time::timeout(self.limit, read()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("{what}: no answer within {} s", self.limit.as_secs()),
            };
            if tried >= self.tries {
                return Err(why);
            }
            tried += 1;
            tracing::debug!(why, "{what} is read again");
            tokio::time::sleep(self.pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const SHORT: Patience = Patience { limit: Duration::from_millis(20), tries: 3, pause: Duration::from_millis(1) };

    /// Hangs at first, breaks then, and answers at last.
    async fn answer(asked: &AtomicU32) -> Result<u32, &'static str> {
        match asked.fetch_add(1, Ordering::SeqCst) {
            0 => std::future::pending().await,
            1 => Err("the connection was reset"),
            number => Ok(number),
        }
    }

    #[tokio::test]
    async fn a_read_that_hangs_and_one_that_breaks_are_made_again() {
        let asked = AtomicU32::new(0);
        assert_eq!(SHORT.ask("the lease", || answer(&asked)).await, Ok(2));
    }

    #[tokio::test]
    async fn what_went_wrong_last_is_said_in_the_end() {
        let refused = || std::future::ready(Err::<(), _>("refused"));
        assert_eq!(SHORT.ask("the lease", refused).await, Err("refused".to_owned()));
        let never = || std::future::pending::<Result<(), String>>();
        assert_eq!(SHORT.ask("the lease", never).await, Err("the lease: no answer within 0 s".to_owned()));
    }
}
