//! `slipway kubeconfig`: a kubeconfig of the controller's own account, for a controller that runs outside the cluster.

use std::collections::BTreeMap;
use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::config::{AuthInfo, Kubeconfig, NamedAuthInfo};

use crate::{Failure, cluster};

/// The service account, and its one name in the kubeconfig.
const ACCOUNT: &str = "slipway";

/// Which account, and where its kubeconfig goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A kubeconfig of someone who may create tokens for the account; left out: KUBECONFIG, or ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context in it; left out: its current one.
    #[arg(long)]
    context: Option<String>,
    /// The namespace that Slipway is installed in.
    #[arg(short, long, default_value = slipway_crd::install::NAMESPACE)]
    namespace: String,
    /// How long the token is good, in hours.
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(i64).range(1..=8760))]
    hours: i64,
    /// The file to write. Only its owner may read it: it holds the token.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Usage(format!("the runtime cannot be started: {error}")))?;
    runtime.block_on(write_for(arguments))
}

async fn write_for(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { kubeconfig, context, namespace, hours, output } = arguments;
    let mut file = read(kubeconfig.as_deref())?;
    let context = context.or(file.current_context.take()).unwrap_or_default();
    let client = cluster::client(kubeconfig.as_deref(), Some(context.clone())).await?;
    let api: Api<ServiceAccount> = Api::namespaced(client, &namespace);
    let spec = TokenRequestSpec { expiration_seconds: Some(hours * 3600), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let granted = api.create_token_request(ACCOUNT, &PostParams::default(), &request).await.map_err(|error| {
        let why = slipway_controller::explain(&error);
        Failure::No(format!(
            "no token for the service account {namespace}/{ACCOUNT}: {why}; is Slipway installed there?"
        ))
    })?;
    let token = granted.status.and_then(|status| status.token).unwrap_or_default();

    file.contexts.retain(|entry| entry.name == context);
    let Some(entry) = file.contexts.first_mut().and_then(|entry| entry.context.as_mut()) else {
        return Err(Failure::Usage(format!("the kubeconfig has no context {context:?}")));
    };
    entry.user = Some(ACCOUNT.to_owned());
    let cluster = entry.cluster.clone();
    file.clusters.retain(|known| known.name == cluster);
    let user = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
    file.auth_infos = vec![NamedAuthInfo { name: ACCOUNT.to_owned(), auth_info: Some(user), other: BTreeMap::new() }];
    file.current_context = Some(context);
    write(&output, &file)
}

fn read(path: Option<&Path>) -> Result<Kubeconfig, Failure> {
    let read = path.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    read.map_err(|error| Failure::Usage(format!("no kubeconfig can be read: {}", slipway_controller::explain(&error))))
}

fn write(path: &Path, kubeconfig: &Kubeconfig) -> Result<(), Failure> {
    let wrong = |why: String| Failure::Usage(format!("{} cannot be written: {why}", path.display()));
    let text = serde_yaml::to_string(kubeconfig).map_err(|error| wrong(error.to_string()))?;
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        // One that was there before keeps its mode otherwise.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())
    };
    write().map_err(|error| wrong(error.to_string()))
}
