//! A place in a list: which row is selected and which is the first one shown. It never points past the end.

/// The place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The selected row.
    pub selected: usize,
    /// The first row shown.
    pub top: usize,
}

impl Cursor {
    /// Moves the selection by so many rows, stopping at both ends.
    pub(crate) fn step(&mut self, by: isize, len: usize) {
        self.selected = self.selected.saturating_add_signed(by).min(len.saturating_sub(1));
    }

    /// Brings selection and window in line with a list of `len` rows shown through `height` rows.
    pub(crate) fn settle(&mut self, len: usize, height: usize) {
        self.selected = self.selected.min(len.saturating_sub(1));
        let height = height.max(1);
        if self.selected < self.top {
            self.top = self.selected;
        } else if self.selected >= self.top + height {
            self.top = self.selected + 1 - height;
        }
        self.top = self.top.min(len.saturating_sub(height));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_selected_row_is_always_shown(
            start in 0_usize..50, top in 0_usize..50, by in -60_isize..60, len in 0_usize..40, height in 0_usize..20,
        ) {
            let mut cursor = Cursor { selected: start, top };
            cursor.step(by, len);
            cursor.settle(len, height);
            prop_assert!(cursor.selected < len.max(1));
            prop_assert!(cursor.top <= cursor.selected);
            prop_assert!(cursor.selected < cursor.top + height.max(1));
        }
    }
}
