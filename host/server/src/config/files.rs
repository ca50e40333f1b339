//! Whether the files a configuration names can be used: what only a start would find out otherwise.

use muster_frontend::http::listen::Tls;
use muster_issuer::KeySource;

use super::Config;
use muster_cli::trust;

impl Config {
    /// What is wrong with the files it names, a line for each; nothing is opened for good.
    pub(crate) fn unusable_files(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for files in self.listen.iter().filter_map(|listener| listener.tls.clone()) {
            let named = [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()];
            let missing = named.into_iter().flatten().filter_map(|file| {
                let error = std::fs::File::open(file).err()?;
                Some(format!("listen: tls: {} cannot be read: {error}", file.display()))
            });
            let before = wrong.len();
            wrong.extend(missing);
            // What is there may still be no certificate, or not fit.
            if wrong.len() == before {
                wrong.extend(Tls::load(files).err().map(|error| format!("listen: tls: {error}")));
            }
        }
        for issuer in &self.issuers {
            if let KeySource::File(file) = &issuer.keys
                && let Err(error) = std::fs::File::open(file)
            {
                wrong.push(format!("issuers: jwks_file: {} cannot be read: {error}", file.display()));
            }
        }
        if let Some(tls) = self.xmpp.as_ref().and_then(|xmpp| xmpp.tls.as_ref()) {
            wrong.extend(trust::client_config(tls.ca.as_deref()).err().map(|error| format!("xmpp: tls: {error}")));
        }
        if let Some(folder) = self.plugins_available.as_ref().filter(|folder| !folder.is_dir()) {
            wrong.push(format!("plugins_available: {} is not a directory", folder.display()));
        }
        wrong
    }
}
