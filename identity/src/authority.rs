//! The certificate authority, which the controller makes at its first start.
//!
//! One root signs the certificates of the controller and of the agents
//! directly. Nothing that a request asks for gets into a certificate; all that
//! stands there is decided here.

use std::{fmt, time::Duration};

use cofi_proto::AgentName;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::{
    Credential, CredentialUnusable, Facts, KeyError, KeyHash, PrivateKey, PublicKey, Serial, ServerNames,
    Validity,
    certificate::{MICROS, Unreadable},
    peer, pem_file,
    pem_file::PemError,
    serial::NoRandomness,
};

/// How long an agent's certificate is valid.
pub const AGENT_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// How long the controller's certificate is valid. It renews itself; the
/// lifetime only bounds what a stolen key is good for.
pub const SERVER_LIFETIME: Duration = Duration::from_hours(90 * 24);

/// How long the authority's own certificate is valid: longer than any
/// machine, since replacing it takes all agents.
pub const AUTHORITY_LIFETIME: Duration = Duration::from_hours(20 * 365 * 24);

/// How far back a certificate's first moment lies, for machines whose clocks
/// are behind.
pub const BACKDATE: Duration = Duration::from_mins(5);

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// No key could be made.
    #[error("make a key")]
    Key(#[from] KeyError),
    /// No serial number could be made.
    #[error("make a serial number")]
    Serial(#[from] NoRandomness),
    /// The time of day or a lifetime is outside what a certificate can hold.
    #[error("write a time into a certificate: the clock shows {now_micros} microseconds since 1970")]
    Time {
        /// What the clock shows, in microseconds since 1970-01-01 UTC.
        now_micros: i64,
    },
    /// The authority's own certificate has expired.
    #[error("issue a certificate: the authority's own has expired, a change of authority is due")]
    AuthorityExpired,
    /// The certificate could not be put together or signed.
    #[error("sign a certificate")]
    Sign(#[from] rcgen::Error),
    /// The certificate that was made cannot be read.
    #[error("read a certificate that was just made")]
    Unreadable(#[from] Unreadable),
    /// The certificate that was made does not fit its key.
    #[error("put a certificate that was just made and its key together")]
    Credential(#[from] CredentialUnusable),
}

/// Why an authority that was kept cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityUnusable {
    /// The text is not what was written.
    #[error("read the certificate authority")]
    Pem(#[from] PemError),
    /// Its certificate cannot be read.
    #[error("read the certificate authority's certificate")]
    Certificate(#[from] Unreadable),
    /// Its certificate is for another key.
    #[error("read the certificate authority: its certificate is for another key")]
    OtherKey,
    /// Its certificate does not let it sign.
    #[error("read the certificate authority: its certificate is not one of an authority")]
    NoAuthority,
    /// Its certificate has parts that none of ours has.
    #[error("read the certificate authority's certificate")]
    Foreign(#[from] rcgen::Error),
}

/// The certificate authority: its key and its own certificate.
pub struct Authority {
    issuer: Issuer<'static, PrivateKey>,
    certificate: CertificateDer<'static>,
    facts: Facts,
}

/// A certificate that was issued to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCertificate {
    /// The certificate, in DER.
    pub der: CertificateDer<'static>,
    /// Its serial number.
    pub serial: Serial,
    /// When it is valid.
    pub validity: Validity,
}

impl Authority {
    /// Makes a new authority, valid from `now_micros` (microseconds since
    /// 1970-01-01 UTC) for [`AUTHORITY_LIFETIME`].
    pub fn create(now_micros: i64) -> Result<Self, IssueError> {
        let key = PrivateKey::generate()?;
        let mut params = params(now_micros, AUTHORITY_LIFETIME, i64::MAX)?;
        // Programs find the issuer by its name: two authorities, during a
        // change from one to the other, must not share it.
        let name: String = key.public_key().hash().to_string().chars().take(12).collect();
        params.distinguished_name.push(DnType::CommonName, format!("Cofi authority {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key)?.der().clone();
        let facts = Facts::of(&certificate)?;
        Ok(Self { issuer: Issuer::new(params, key), certificate, facts })
    }

    /// Reads an authority from what [`to_pem`](Self::to_pem) wrote.
    pub fn from_pem(text: &[u8]) -> Result<Self, AuthorityUnusable> {
        let (key, mut certificates) = pem_file::read_key_and_certificates(text, 1)?;
        match (certificates.pop(), certificates.len()) {
            (Some(certificate), 0) => Self::assemble(key, certificate),
            (_, others) => Err(PemError::Certificates { found: others + 1, least: 1 }.into()),
        }
    }

    fn assemble(key: PrivateKey, certificate: CertificateDer<'static>) -> Result<Self, AuthorityUnusable> {
        let facts = Facts::of(&certificate)?;
        if facts.key != key.public_key().hash() {
            return Err(AuthorityUnusable::OtherKey);
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        if issuer.key_usages() != [KeyUsagePurpose::KeyCertSign] {
            return Err(AuthorityUnusable::NoAuthority);
        }
        Ok(Self { issuer, certificate, facts })
    }

    /// The private key and the certificate in PEM.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem_file::write_key_and_certificates(self.issuer.key(), std::slice::from_ref(&self.certificate))
    }

    /// Its own certificate, in DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The hash of its public key: what a join token carries.
    #[must_use]
    pub fn key_hash(&self) -> KeyHash {
        self.facts.key
    }

    /// When its own certificate is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.facts.validity
    }

    /// Issues a certificate for `agent` and its `key`, valid from `now_micros`
    /// (microseconds since 1970-01-01 UTC) for `lifetime`, in whole seconds
    /// and not beyond the authority's own.
    pub fn issue_agent(
        &self,
        agent: &AgentName,
        key: &PublicKey,
        now_micros: i64,
        lifetime: Duration,
    ) -> Result<AgentCertificate, IssueError> {
        let mut params = self.leaf(now_micros, lifetime)?;
        params.distinguished_name.push(DnType::CommonName, agent.as_str());
        params.subject_alt_names = vec![SanType::URI(peer::uri(agent).try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let der = params.signed_by(key, &self.issuer)?.der().clone();
        let facts = Facts::of(&der)?;
        Ok(AgentCertificate { der, serial: facts.serial, validity: facts.validity })
    }

    /// Issues a certificate with a new key for the controller under `names`,
    /// valid from `now_micros` (microseconds since 1970-01-01 UTC) for
    /// `lifetime`. The authority's certificate is part of the chain: that is
    /// what a machine that joins compares with its token.
    pub fn issue_server(
        &self,
        names: &ServerNames,
        now_micros: i64,
        lifetime: Duration,
    ) -> Result<Credential, IssueError> {
        let key = PrivateKey::generate()?;
        let mut params = self.leaf(now_micros, lifetime)?;
        params.distinguished_name.push(DnType::CommonName, "Cofi controller");
        params.subject_alt_names = names.alternatives()?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let der = params.signed_by(&key, &self.issuer)?.der().clone();
        Ok(Credential::new(key, vec![der, self.certificate.clone()])?)
    }

    /// What the certificates of controller and agents have in common.
    fn leaf(&self, now_micros: i64, lifetime: Duration) -> Result<CertificateParams, IssueError> {
        let last_micros = self.facts.validity.not_after_micros;
        if now_micros >= last_micros {
            return Err(IssueError::AuthorityExpired);
        }
        let mut params = params(now_micros, lifetime, last_micros)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// A certificate with a serial number of its own, valid from a little before
/// `now_micros` for `lifetime`, but not after `last_micros`.
fn params(now_micros: i64, lifetime: Duration, last_micros: i64) -> Result<CertificateParams, IssueError> {
    let wrong = || IssueError::Time { now_micros };
    let micros = |duration: Duration| i64::try_from(duration.as_micros()).map_err(|_| wrong());
    let moment =
        |micros: i64| OffsetDateTime::from_unix_timestamp(micros.div_euclid(MICROS)).map_err(|_| wrong());
    let not_before = now_micros.checked_sub(micros(BACKDATE)?).ok_or_else(wrong)?;
    let not_after = now_micros.checked_add(micros(lifetime)?).ok_or_else(wrong)?;

    let mut params = CertificateParams::default();
    params.not_before = moment(not_before)?;
    params.not_after = moment(not_after.min(last_micros))?;
    params.serial_number = Some(SerialNumber::from_slice(Serial::random()?.as_bytes()));
    params.distinguished_name = DistinguishedName::new();
    Ok(params)
}

#[cfg(test)]
mod tests;
