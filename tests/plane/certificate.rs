//! A certificate authority of its own for each plane: a client that trusts it cannot reach another plane by mistake.
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use super::error::PlaneError;

/// Signs the plane's server and its clients. The key never leaves this process.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, both PEM.
pub(super) struct Certified {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Who a client certificate says it is. `groups` become the subject's organisations, as Kubernetes reads them.
pub(super) struct Identity {
    pub(super) user: &'static str,
    pub(super) groups: &'static [&'static str],
}

impl Authority {
    pub(super) fn new() -> Result<Self, PlaneError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "slipway-plane");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// The API server's certificate, for the names that clients outside and pods inside would use.
    pub(super) fn server(&self) -> Result<Certified, PlaneError> {
        let names = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc", "10.0.0.1"];
        let mut params = CertificateParams::new(names.map(String::from))?;
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    pub(super) fn client(&self, identity: &Identity) -> Result<Certified, PlaneError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, identity.user);
        for group in identity.groups {
            params.distinguished_name.push(DnType::OrganizationName, *group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Certified, PlaneError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Certified { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// Signs the tokens of service accounts.
pub(super) struct TokenKey(KeyPair);

impl TokenKey {
    pub(super) fn new() -> Result<Self, PlaneError> {
        Ok(Self(KeyPair::generate()?))
    }

    pub(super) fn private_pem(&self) -> String {
        self.0.serialize_pem()
    }

    pub(super) fn public_pem(&self) -> String {
        self.0.public_key_pem()
    }
}
