//! Certificates for tests, and who vouches for them.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};

/// Who vouches for certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Certificate and key, both PEM.
    pub(crate) fn issue(&self, common_name: &str, names: Vec<SanType>) -> (String, String) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// As [`Authority::issue`], for a server at this machine.
    pub(crate) fn issue_server(&self, common_name: &str) -> (String, String) {
        self.issue(common_name, vec![SanType::IpAddress("127.0.0.1".parse().unwrap())])
    }

    /// As [`Authority::issue`], for a client with these addresses.
    pub(crate) fn issue_client(&self, common_name: &str, emails: &[&str]) -> (String, String) {
        self.issue(common_name, emails.iter().map(|email| SanType::Rfc822Name((*email).try_into().unwrap())).collect())
    }
}
