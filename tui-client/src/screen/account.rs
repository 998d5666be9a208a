//! Who this account is: its ID and pairing link, which are secrets and can be masked, and the link's QR code.

use std::fmt;

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// The account as far as it is known.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// The ID, in groups.
    pub id: Option<String>,
    /// The pairing link.
    pub link: Option<String>,
    /// The fingerprint of the server's key.
    pub fingerprint: Option<String>,
    /// This device's name.
    pub device: String,
    /// The server's address.
    pub server: String,
}

impl fmt::Debug for Account {
    /// Writes all but the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("id", &self.id.as_ref().map(|_| "…"))
            .field("link", &self.link.as_ref().map(|_| "…"))
            .field("fingerprint", &self.fingerprint)
            .field("device", &self.device)
            .field("server", &self.server)
            .finish()
    }
}

/// Replaces every letter and digit, so that only the shape is left.
pub(crate) fn masked(secret: &str, star: &str) -> String {
    let shape = |c: char| {
        if c.is_alphanumeric() {
            star.to_owned()
        } else {
            c.to_string()
        }
    };
    secret.chars().map(shape).collect()
}

/// Draws a text as a QR code, two modules a character, dark on light wherever it is shown.
pub(crate) fn qr_lines(text: &str) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let drawn = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Dark)
        .light_color(Dense1x2::Light)
        .quiet_zone(false)
        .build();
    Some(drawn.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_the_shape_only() {
        assert_eq!(masked("7K3M-9PQR", "•"), "••••-••••");
    }

    #[test]
    fn secrets_are_not_in_the_debug_text() {
        let account = Account {
            id: Some("7K3M".to_owned()),
            link: Some("holdfast://h/7K3M".to_owned()),
            ..Account::default()
        };
        assert!(!format!("{account:?}").contains("7K3M"));
    }

    #[test]
    fn a_link_makes_a_square_code() {
        let link = format!(
            "holdfast://nas.local:7733/{}#{}",
            "7K3M9-".repeat(7),
            "ab".repeat(32)
        );
        let lines = qr_lines(&link).expect("a link fits a code");
        assert!(
            lines
                .iter()
                .all(|line| line.chars().count() == lines[0].chars().count())
        );
        assert_eq!(lines.len(), lines[0].chars().count().div_ceil(2));
        assert!(lines.len() <= 30, "{} lines", lines.len());
    }
}
