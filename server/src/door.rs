//! The door: the key that the server shows. `server --rotate-cert` replaces the files while the server runs; it takes the
//! new key up when the old one vouches for it, and lets all devices come anew, so that they know it at once. Any other
//! key waits for the next start, since devices would not trust it.

use common::certificate::{Certificate, CertificateFiles};
use common::fingerprint::Fingerprint;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;

use crate::connection::ConnectionError;
use crate::house::House;
use crate::trouble::{StartError, with_reasons};
use crate::watch::Looks;

/// See the module's page.
pub(crate) struct Door {
    files: CertificateFiles,
    shown: Mutex<Shown>,
}

/// What the server shows.
struct Shown {
    fingerprint: Fingerprint,
    acceptor: TlsAcceptor,
    /// When certificate and key were written, as far as the disk tells.
    written: [Option<SystemTime>; 2],
}

impl Door {
    /// Reads certificate and key of a directory; makes them when there are none.
    ///
    /// # Errors
    /// When they cannot be used.
    pub(crate) fn open(certs: &Path) -> Result<Self, StartError> {
        let files = CertificateFiles::of_server(certs);
        let written = written(&files);
        let opened = Certificate::open_or_create(&files, &Certificate::local_names());
        let certificate = opened.map_err(|source| StartError::Certificate {
            path: certs.to_owned(),
            source: Box::new(source),
        })?;
        let shown = Shown {
            fingerprint: certificate.fingerprint(),
            acceptor: acceptor(&certificate).map_err(|error| StartError::System(error.into()))?,
            written,
        };
        Ok(Self {
            files,
            shown: Mutex::new(shown),
        })
    }

    /// Returns the fingerprint of the key that is shown now.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.shown().fingerprint
    }

    /// Returns what agrees on TLS with the key that is shown now.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.shown().acceptor.clone()
    }

    /// Looks whether the files were replaced, and tells whether another key is shown from now on.
    fn look(&self) -> bool {
        let written = written(&self.files);
        let before = {
            let mut shown = self.shown();
            if written == shown.written {
                return false;
            }
            shown.written = written;
            shown.fingerprint
        };
        let opened = Certificate::open(&self.files)
            .map_err(|error| with_reasons(&error))
            .and_then(|found| match acceptor(&found) {
                Ok(acceptor) => Ok((found, acceptor)),
                Err(error) => Err(error.to_string()),
            });
        let (found, acceptor) = match opened {
            Ok(opened) => opened,
            Err(reason) => {
                tracing::warn!(
                    reason,
                    "certificate and key were changed and cannot be used; the old ones stay in use until the next start"
                );
                return false;
            }
        };
        let fingerprint = found.fingerprint();
        if fingerprint != before && !found.succeeds(before) {
            tracing::warn!(
                %fingerprint,
                "there is another key, for which the one in use does not vouch; it will be shown from the next start on, and \
                 every device then has to be told its fingerprint"
            );
            return false;
        }
        let mut shown = self.shown();
        shown.acceptor = acceptor;
        shown.fingerprint = fingerprint;
        fingerprint != before
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn acceptor(certificate: &Certificate) -> Result<TlsAcceptor, tokio_rustls::rustls::Error> {
    common::tls::server_config(certificate).map(|config| TlsAcceptor::from(Arc::new(config)))
}

fn written(files: &CertificateFiles) -> [Option<SystemTime>; 2] {
    [&files.certificate, &files.key].map(|path| path.metadata().and_then(|found| found.modified()).ok())
}

/// Looks until the server stops whether its key was rotated.
pub(crate) async fn watch_key(house: Arc<House>, door: Arc<Door>, every: Duration) {
    let mut looks = Looks::new(house.clone(), every);
    while looks.next().await {
        let looking = door.clone();
        match house.block(None, move || looking.look()).await {
            Ok(true) => {
                tracing::info!(fingerprint = %door.fingerprint(), "the key was rotated; all devices come anew");
                house.feeds.all().iter().for_each(|feed| feed.cut_all());
            }
            Ok(false) => (),
            Err(ConnectionError::BrokenOff) => return,
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a look at the key failed"
            ),
        }
    }
}
