//! Looking whether another process has changed the store: `server device revoke` and `server restore` work beside a
//! running server, and what they do has to reach the devices that are connected. So has what is found damaged, by
//! `server verify` or by this server: a device may have it.

use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::connection::ConnectionError;
use crate::feed::LACKING_MAX;
use crate::house::House;

/// When a task has to look again that looks until the server stops.
pub(crate) struct Looks {
    house: Arc<House>,
    ticks: Interval,
}

impl Looks {
    /// Begins at once.
    pub(crate) fn new(house: Arc<House>, every: Duration) -> Self {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { house, ticks }
    }

    /// Waits for the next look; tells whether there is one.
    pub(crate) async fn next(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.house.stopping.cancelled() => false,
            _ = self.ticks.tick() => true,
        }
    }
}

/// Looks until the server stops.
pub(crate) async fn watch_others(house: Arc<House>, every: Duration) {
    let mut look = match house.store.metadata.watch_others() {
        Ok(look) => look,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "changes by other processes will be seen only after a restart"
            );
            return;
        }
    };
    let mut seen = None;
    let mut looks = Looks::new(house.clone(), every);
    while looks.next().await {
        // The question is answered from memory that is shared between processes; it does not touch the disk.
        let now = look().ok();
        if now != seen {
            seen = now;
            if let Err(error) = tell(&house).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a look at the store failed"
                );
            }
        }
    }
}

/// Tells the connections what the store says.
async fn tell(house: &House) -> Result<(), ConnectionError> {
    for feed in house.feeds.all() {
        let account = feed.account();
        let (row, devices, lacking) = house
            .read(account, move |records| {
                let lacking = records.lacking(account, LACKING_MAX)?;
                Ok((records.account(account)?, records.devices(account)?, lacking))
            })
            .await?;
        if let Some(row) = row {
            feed.raise(row.head);
        }
        feed.lack(lacking);
        for device in devices.iter().filter(|device| device.revoked) {
            feed.cut(device.id);
        }
    }
    Ok(())
}
