//! The panes of the screen.

/// A pane: the tree, or one of the tabs beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Pane {
    /// The folder as a tree.
    Tree,
    /// What changes, as it happens.
    Feed,
    /// The unresolved conflicts.
    Conflicts,
    /// The versions of the selected node.
    History,
    /// The account's devices.
    Devices,
    /// What is on its way.
    Transfers,
    /// What needs a person.
    Attention,
}

impl Pane {
    /// All, in the order of their numbers.
    pub(crate) const ALL: [Self; 7] = [
        Self::Tree,
        Self::Feed,
        Self::Conflicts,
        Self::History,
        Self::Devices,
        Self::Transfers,
        Self::Attention,
    ];

    /// The tabs: all but the tree.
    pub(crate) const TABS: [Self; 6] = [
        Self::Feed,
        Self::Conflicts,
        Self::History,
        Self::Devices,
        Self::Transfers,
        Self::Attention,
    ];

    /// Returns its place, counted from zero.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Returns the pane with a number, counted from one.
    pub(crate) fn numbered(number: usize) -> Option<Self> {
        Self::ALL.get(number.checked_sub(1)?).copied()
    }

    /// Returns the pane after (or before) this one, round and round.
    pub(crate) fn beside(self, back: bool) -> Self {
        let step = if back { Self::ALL.len() - 1 } else { 1 };
        Self::ALL[(self.index() + step) % Self::ALL.len()]
    }

    /// Returns its title.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Tree => "Folder",
            Self::Feed => "Feed",
            Self::Conflicts => "Conflicts",
            Self::History => "History",
            Self::Devices => "Devices",
            Self::Transfers => "Transfers",
            Self::Attention => "Attention",
        }
    }
}
