//! What the calls of one plugin share of the capabilities: its grants, the counts of their use, its quota.

use std::sync::Arc;

use muster_core::plugins::GrantLine;

use super::grants::Grants;
use super::keyvalue::Quota;
use super::used::Uses;

/// Everything a plugin was granted.
#[derive(Debug)]
pub(crate) struct Granted {
    /// The grants as the operator gave them.
    pub(crate) grants: Grants,
    /// How often they were used.
    pub(crate) uses: Uses,
    /// What its durable data takes up; nothing where none is granted.
    pub(crate) quota: Option<Arc<Quota>>,
}

impl Granted {
    /// Puts together what was granted.
    pub(crate) fn new(grants: Grants, quota: Option<Arc<Quota>>) -> Self {
        Self { uses: Uses::new(&grants), grants, quota }
    }

    /// One line for each thing a component with these imports can use, may use, or wanted to use.
    pub(crate) fn lines(&self, imports: &[String]) -> Vec<GrantLine> {
        self.uses.lines(&self.grants, imports)
    }
}
