//! The way to the API server: kube's own layers, over connections of our own making.

use http::Request;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt as _};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder, service_fn};

/// A client that answers soon.
///
/// kube's own has two habits that cost a status its 50 ms. Its connector leaves `TCP_NODELAY` off: the first request of
/// a connection is a second small segment after the end of the TLS handshake, held back until the server acknowledges
/// the first one, which it delays. And a watch takes a connection from those that wait for calls, and closes it when it
/// ends: the next call has to make a new one. Here watches have connections of their own.
pub(crate) fn client(config: Config) -> kube::Result<Client> {
    if config.proxy_url.is_some() {
        return Client::try_from(config);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tcp)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let pool = || legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector.clone());
    let (calls, watches) = (pool(), pool());
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(service_fn(
            move |request: Request<Body>| {
                if is_watch(&request) { watches.request(request) } else { calls.request(request) }
            },
        ));
    Ok(Client::new(service, config.default_namespace))
}

fn is_watch(request: &Request<Body>) -> bool {
    request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"))
}
