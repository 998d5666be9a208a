//! Looking whether another process has changed the store: `server device revoke` and `server restore` work beside a
//! running server, and what they do has to reach the devices that are connected.

use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

use crate::connection::ConnectionError;
use crate::house::House;

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
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = house.stopping.cancelled() => return,
            _ = ticks.tick() => (),
        }
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
        let (row, devices) = house
            .read(move |records| Ok((records.account(account)?, records.devices(account)?)))
            .await?;
        if let Some(row) = row {
            feed.raise(row.head);
        }
        for device in devices.iter().filter(|device| device.revoked) {
            feed.cut(device.id);
        }
    }
    Ok(())
}
