//! TLS by rustls: certificates that can be exchanged while the host runs, and what a client's certificate says about
//! its holder.
//!
//! New files are taken as a whole or not at all: while a certificate and its key do not fit each other, because only
//! one of them was written yet, the old pair stays in use.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use yasna::Tag;
use yasna::models::ObjectIdentifier;
use yasna::tags::{
    TAG_BMPSTRING, TAG_IA5STRING, TAG_PRINTABLESTRING, TAG_TELETEXSTRING, TAG_UNIVERSALSTRING, TAG_UTF8STRING,
};

/// Longest name in a certificate that is looked at, in bytes: a user and a host of the longest form.
const NAME_BYTES_MAX: usize = 2047;

/// The files a listener's TLS is made of, all PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// The certificate and those that lead from it to a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who may vouch for callers. Without, callers are not asked for certificates.
    pub client_ca: Option<PathBuf>,
    /// Where a caller's certificate has the name of their account.
    pub client_account: ClientAccount,
}

/// Which name in a caller's certificate is that of their account.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientAccount {
    /// The alternative name of the kind `rfc822Name` (RFC 5280 §4.2.1.6) if there is one, otherwise the common name.
    #[default]
    Any,
    /// The `rfc822Name` alone.
    Email,
    /// The subject's common name alone.
    CommonName,
}

/// Why files make no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read as what it should be.
    #[error("{file}: {reason}", file = .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The files do not fit together.
    #[error("{certificate} and its key: {reason}", certificate = .certificate.display())]
    Unfit {
        /// The certificate.
        certificate: PathBuf,
        /// Why.
        reason: String,
    },
}

/// One listener's TLS.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    served: ArcSwap<Served>,
    /// When each file was last written, at the last attempt to read them.
    seen: Mutex<Seen>,
}

/// What connections that begin are served with.
#[derive(Debug)]
struct Served {
    config: Arc<ServerConfig>,
    /// The host's own certificate, without those that lead from it to a root.
    certificate: CertificateDer<'static>,
}

type Seen = Vec<Option<(SystemTime, u64)>>;

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read or they do not fit together.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        // Looked at first: what is written while they are read is read again later.
        let seen = stamps(&files);
        let served = ArcSwap::new(Arc::new(serve(&files)?));
        Ok(Self { files, served, seen: Mutex::new(seen) })
    }

    /// The files this was made of.
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// Reads the files again, for connections that begin from now on.
    ///
    /// # Errors
    /// As [`Tls::load`]; on an error, the previous certificate stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamps(&self.files);
        self.served.store(Arc::new(serve(&self.files)?));
        Ok(())
    }

    /// Whether a file was written since the files were last read.
    pub fn is_stale(&self) -> bool {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != stamps(&self.files)
    }

    /// Whether the current certificate is for this name or address: a client that was led here by another name has
    /// found that out before it sent anything.
    pub(crate) fn is_for(&self, host: &str) -> bool {
        let served = self.served.load();
        let parsed = ParsedCertificate::try_from(&served.certificate);
        let (Ok(certificate), Ok(name)) = (parsed, ServerName::try_from(host)) else { return false };
        verify_server_name(&certificate, &name).is_ok()
    }

    /// Greets a client, within `deadline`, and tells what its certificate names as its account: nothing when it
    /// presented none, an empty text when the one it presented names none.
    ///
    /// # Errors
    /// When the client speaks no TLS, presents an untrusted certificate, or is too slow.
    pub async fn accept(
        &self,
        stream: TcpStream,
        deadline: Duration,
    ) -> io::Result<(TlsStream<TcpStream>, Option<Arc<str>>)> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.served.load().config));
        let stream = tokio::time::timeout(deadline, acceptor.accept(stream)).await??;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let account = certificate
            .map(|certificate| account(certificate, self.files.client_account).unwrap_or_default())
            .map(Arc::from);
        Ok((stream, account))
    }
}

fn stamps(files: &TlsFiles) -> Seen {
    let stamp = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()]
        .into_iter()
        .map(|path| path.and_then(|path| stamp(path)))
        .collect()
}

fn serve(files: &TlsFiles) -> Result<Served, TlsError> {
    let unfit = |error: &dyn std::fmt::Display| TlsError::Unfit {
        certificate: files.certificate.clone(),
        reason: error.to_string(),
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unfit(&error))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                let added = roots.add(certificate);
                added.map_err(|error| TlsError::File { file: file.clone(), reason: error.to_string() })?;
            }
            // Not required: callers without a certificate present another credential.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| TlsError::File { file: file.clone(), reason: error.to_string() })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| TlsError::File { file: files.key.clone(), reason: error.to_string() })?;
    let chain = certificates(&files.certificate)?;
    let certificate = chain.first().cloned().ok_or_else(|| unfit(&"it contains no certificate"))?;
    let mut config = builder.with_single_cert(chain, key).map_err(|error| unfit(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A resumed session would outlive the authority that vouched for it.
    if files.client_ca.is_some() {
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    }
    Ok(Served { config: Arc::new(config), certificate })
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |reason: String| TlsError::File { file: file.to_path_buf(), reason };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(|error| failed(error.to_string()))?
        .collect::<Result<_, _>>()
        .map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() { Err(failed("it contains no certificate".to_owned())) } else { Ok(certificates) }
}

/// The account a verified certificate names; nothing when it names none, or more than one.
fn account(certificate: &[u8], place: ClientAccount) -> Option<String> {
    let names = Names::read(certificate).ok()?;
    let name = match (place, names.emails.as_slice(), names.common_names.as_slice()) {
        (ClientAccount::Any | ClientAccount::Email, [email], _) => email,
        (ClientAccount::Any, [], [name]) | (ClientAccount::CommonName, _, [name]) => name,
        _ => return None,
    };
    // A name in a form that cannot be read is a name, and of no account.
    name.clone().filter(|name| name.len() <= NAME_BYTES_MAX)
}

/// The names in a certificate (RFC 5280 §4.1).
#[derive(Debug, Default)]
struct Names {
    /// Nothing for one whose form cannot be read.
    common_names: Vec<Option<String>>,
    emails: Vec<Option<String>>,
}

impl Names {
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the methods themselves are of one lifetime only")]
    fn read(certificate: &[u8]) -> yasna::ASN1Result<Self> {
        let (common_name, alternative_names) =
            (ObjectIdentifier::from_slice(&[2, 5, 4, 3]), ObjectIdentifier::from_slice(&[2, 5, 29, 17]));
        let mut names = Self::default();
        let signed = yasna::parse_der(certificate, |reader| {
            reader.read_sequence(|certificate| {
                let signed = certificate.next().read_der()?;
                certificate.next().read_der()?;
                certificate.next().read_der()?;
                Ok(signed)
            })
        })?;
        yasna::parse_der(&signed, |reader| {
            reader.read_sequence(|fields| {
                fields.read_optional(|version| version.read_tagged(Tag::context(0), |version| version.read_der()))?;
                // Serial number, algorithm, issuer, validity.
                for _ in 0..4 {
                    fields.next().read_der()?;
                }
                fields.next().read_sequence_of(|part| {
                    part.read_set_of(|attribute| {
                        attribute.read_sequence(|pair| {
                            let kind = pair.next().read_oid()?;
                            let value = pair.next().read_tagged_der()?;
                            if kind == common_name {
                                names.common_names.push(directory_text(value.tag(), value.value()));
                            }
                            Ok(())
                        })
                    })
                })?;
                fields.next().read_der()?;
                for unique_id in [1, 2] {
                    fields
                        .read_optional(|id| id.read_tagged_implicit(Tag::context(unique_id), |id| id.read_bytes()))?;
                }
                fields.read_optional(|extensions| {
                    extensions.read_tagged(Tag::context(3), |extensions| {
                        extensions.read_sequence_of(|extension| {
                            let (kind, value) = extension.read_sequence(|parts| {
                                let kind = parts.next().read_oid()?;
                                parts.read_optional(|critical| critical.read_bool())?;
                                Ok((kind, parts.next().read_bytes()?))
                            })?;
                            if kind == alternative_names {
                                names.emails = emails(&value)?;
                            }
                            Ok(())
                        })
                    })
                })?;
                Ok(())
            })
        })?;
        Ok(names)
    }
}

/// The names of the kind `rfc822Name` among alternative names.
fn emails(value: &[u8]) -> yasna::ASN1Result<Vec<Option<String>>> {
    let mut emails = Vec::new();
    yasna::parse_der(value, |reader| {
        reader.read_sequence_of(|name| {
            let name = name.read_tagged_der()?;
            if name.tag() == Tag::context(1) {
                emails.push(utf8(name.value()));
            }
            Ok(())
        })
    })?;
    Ok(emails)
}

/// The text of a `DirectoryString` (RFC 5280 §4.1.2.4) in any of its forms.
fn directory_text(tag: Tag, bytes: &[u8]) -> Option<String> {
    match tag {
        TAG_UTF8STRING | TAG_PRINTABLESTRING | TAG_IA5STRING => utf8(bytes),
        // As everybody but the standard means it: ISO 8859-1.
        TAG_TELETEXSTRING => Some(bytes.iter().copied().map(char::from).collect()),
        TAG_BMPSTRING => {
            let (units, []) = bytes.as_chunks::<2>() else { return None };
            char::decode_utf16(units.iter().copied().map(u16::from_be_bytes)).collect::<Result<_, _>>().ok()
        }
        TAG_UNIVERSALSTRING => {
            let (letters, []) = bytes.as_chunks::<4>() else { return None };
            letters.iter().copied().map(u32::from_be_bytes).map(char::from_u32).collect()
        }
        _ => None,
    }
}

fn utf8(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate as far as its names go; nothing in it is signed.
    fn certificate(common_names: &[(Tag, &[u8])], emails: &[&[u8]]) -> Vec<u8> {
        let common_name = ObjectIdentifier::from_slice(&[2, 5, 4, 3]);
        let signed = yasna::construct_der(|writer| {
            writer.write_sequence(|fields| {
                for _ in 0..4 {
                    fields.next().write_null();
                }
                fields.next().write_sequence(|parts| {
                    for (tag, bytes) in common_names {
                        parts.next().write_set(|part| {
                            part.next().write_sequence(|pair| {
                                pair.next().write_oid(&common_name);
                                pair.next().write_tagged_implicit(*tag, |value| value.write_bytes(bytes));
                            });
                        });
                    }
                });
                fields.next().write_null();
                fields.next().write_tagged(Tag::context(3), |extensions| {
                    extensions.write_sequence(|extensions| {
                        extensions.next().write_sequence(|extension| {
                            extension.next().write_oid(&ObjectIdentifier::from_slice(&[2, 5, 29, 17]));
                            extension.next().write_bytes(&yasna::construct_der(|names| {
                                names.write_sequence(|names| {
                                    for email in emails {
                                        let name = names.next();
                                        name.write_tagged_implicit(Tag::context(1), |name| name.write_bytes(email));
                                    }
                                });
                            }));
                        });
                    });
                });
            });
        });
        yasna::construct_der(|writer| {
            writer.write_sequence(|certificate| {
                certificate.next().write_der(&signed);
                certificate.next().write_null();
                certificate.next().write_null();
            });
        })
    }

    #[test]
    fn the_name_that_is_asked_for_decides() {
        use ClientAccount::{Any, CommonName, Email};
        let ann: &[u8] = b"ann@localhost";
        let wide: Vec<u8> = ann.iter().flat_map(|byte| [0, *byte]).collect();
        let wider: Vec<u8> = ann.iter().flat_map(|byte| [0, 0, 0, *byte]).collect();
        let odd: &[u8] = b"\xff\xfe\xfd";
        for (common_names, emails, place, expected) in [
            (&[(TAG_UTF8STRING, ann)][..], &[][..], Any, Some("ann@localhost")),
            (&[(TAG_PRINTABLESTRING, ann)], &[], CommonName, Some("ann@localhost")),
            (&[(TAG_BMPSTRING, &wide)], &[], CommonName, Some("ann@localhost")),
            (&[(TAG_UNIVERSALSTRING, &wider)], &[], Any, Some("ann@localhost")),
            (&[(TAG_TELETEXSTRING, b"J\xf6rg@localhost")], &[], Any, Some("J\u{f6}rg@localhost")),
            (&[(TAG_BMPSTRING, odd)], &[ann], Any, Some("ann@localhost")),
            (&[(TAG_BMPSTRING, odd)], &[ann], Email, Some("ann@localhost")),
            (&[(TAG_TELETEXSTRING, odd)], &[ann], Email, Some("ann@localhost")),
            (&[(TAG_UTF8STRING, odd)], &[ann], Email, Some("ann@localhost")),
            (&[(TAG_UTF8STRING, ann)], &[odd], CommonName, Some("ann@localhost")),
            (&[(TAG_BMPSTRING, odd)], &[ann], CommonName, None),
            (&[(TAG_BMPSTRING, &[0xd8, 0x00])], &[], Any, None),
            (&[(TAG_UTF8STRING, ann)], &[odd], Any, None),
            (&[(TAG_UTF8STRING, ann)], &[odd], Email, None),
            (&[(TAG_UTF8STRING, ann), (TAG_BMPSTRING, odd)], &[], CommonName, None),
            (&[], &[ann, odd], Email, None),
            (&[], &[], Any, None),
        ] {
            let certificate = certificate(common_names, emails);
            assert_eq!(account(&certificate, place).as_deref(), expected, "{common_names:?} {emails:?} {place:?}");
        }
    }
}
