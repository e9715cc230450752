//! What was left out, or done with less effect than asked for.

#![forbid(unsafe_code)]

/// Who hears of warnings at once.
pub(super) struct Hear(Box<dyn Fn(&str) + Send + Sync>);

impl Hear {
    pub(super) fn new(hear: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Box::new(hear))
    }
}

impl std::fmt::Debug for Hear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hear")
    }
}

/// Warnings about one process.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    kept: Vec<String>,
    hear: Option<Hear>,
}

impl Warnings {
    pub(super) fn new(hear: Option<Hear>) -> Self {
        Self {
            kept: Vec::new(),
            hear,
        }
    }

    /// Tells who listens, and keeps it.
    pub(crate) fn add(&mut self, warning: String) {
        if let Some(Hear(hear)) = &self.hear {
            hear(&warning);
        }
        self.kept.push(warning);
    }

    pub(super) fn extend(&mut self, warnings: impl IntoIterator<Item = String>) {
        warnings.into_iter().for_each(|warning| self.add(warning));
    }

    pub(super) fn into_kept(self) -> Vec<String> {
        self.kept
    }
}
