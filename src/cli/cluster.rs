//! A client for the cluster that the arguments name.

use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::{Failure, connection};

/// The configuration in `kubeconfig`, or what a pod or the environment offers.
pub(crate) async fn config(kubeconfig: Option<&Path>, context: Option<String>) -> Result<Config, Failure> {
    let mut config = match kubeconfig {
        Some(path) => {
            let wrong = |error: &dyn std::error::Error| {
                let why = slipway_controller::explain(error);
                Failure::Usage(format!("kubeconfig {} cannot be used: {why}", path.display()))
            };
            let file = Kubeconfig::read_from(path).map_err(|error| wrong(&error))?;
            let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| wrong(&error))?
        }
        None => inferred(context).await?,
    };
    // What is tried again, and when, is decided where the protocol is known.
    config.default_retry = false;
    let agent = http::HeaderValue::from_static(concat!("slipway/", env!("CARGO_PKG_VERSION")));
    config.headers.push((http::header::USER_AGENT, agent));
    Ok(config)
}

/// What the environment offers: the kubeconfig of KUBECONFIG or of the home folder, else the pod's own account.
async fn inferred(context: Option<String>) -> Result<Config, Failure> {
    let none = |error: &dyn std::error::Error| {
        let why = slipway_controller::explain(error);
        Failure::Usage(format!("no cluster is configured: name one with --kubeconfig ({why})"))
    };
    if context.is_none() {
        return Config::infer().await.map_err(|error| none(&error));
    }
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    Config::from_kubeconfig(&options).await.map_err(|error| none(&error))
}

/// A client for that cluster.
pub(crate) async fn client(kubeconfig: Option<&Path>, context: Option<String>) -> Result<Client, Failure> {
    let config = config(kubeconfig, context).await?;
    connection::client(config)
        .map_err(|error| Failure::Usage(format!("the cluster cannot be used: {}", slipway_controller::explain(&error))))
}
