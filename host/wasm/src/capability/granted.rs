//! What the calls of one plugin share of the capabilities: its grants, the counts of their use, its quota.

use std::path::Path;
use std::sync::Arc;

use muster_component::LoadError;
use muster_component::grants::Grants;
use muster_core::plugins::GrantLine;

use super::directories::Directories;
use super::http::HttpClient;
use super::keyvalue::Quota;
use super::used::Uses;
use crate::limits::Limits;

/// Everything a plugin was granted.
#[derive(Debug)]
pub(crate) struct Granted {
    /// The grants as the operator gave them.
    pub(crate) grants: Grants,
    /// How often they were used.
    pub(crate) uses: Uses,
    /// What its durable data takes up; nothing where none is granted.
    pub(crate) quota: Option<Arc<Quota>>,
    /// Directories of the host it sees.
    pub(crate) directories: Directories,
    /// Its connections; nothing where no requests are granted.
    pub(crate) http: Option<HttpClient>,
}

impl Granted {
    /// Nothing at all.
    pub(crate) fn nothing() -> Self {
        let grants = Grants::default();
        Self { uses: Uses::new(&grants), grants, quota: None, directories: Directories::default(), http: None }
    }

    /// Puts together what was granted. `data` is where the host's own data is.
    ///
    /// # Errors
    /// When a grant cannot be used here.
    pub(crate) fn new(
        grants: Grants,
        quota: Option<Arc<Quota>>,
        limits: &Limits,
        data: Option<&Path>,
    ) -> Result<Self, LoadError> {
        let directories = Directories::open(&grants, data)?;
        let http = grants.http().next().map(|_| HttpClient::new(&grants, limits)).transpose()?;
        Ok(Self { uses: Uses::new(&grants), grants, quota, directories, http })
    }

    /// One line for each thing a component with these imports can use, may use, or wanted to use.
    pub(crate) fn lines(&self, imports: &[String], requests: &[String]) -> Vec<GrantLine> {
        self.uses.lines(&self.grants, imports, requests)
    }
}
