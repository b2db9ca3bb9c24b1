//! A health check asks a service, and never the machine that Slipway runs on: addresses of the local link, where clouds keep
//! what their machines are and what proves it, are not asked, whatever name leads there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Where clouds answer beyond the local link.
const METADATA: [IpAddr; 3] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// Resolves names, but not to the local link.
#[derive(Debug)]
pub(crate) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            match found.iter().map(SocketAddr::ip).find(|address| local_link(*address)) {
                Some(address) => Err(refused(name.as_str(), address).into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

/// Why an address that is written out in a URL is not asked.
pub(crate) fn problem(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let address = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    local_link(address).then(|| refused(host, address))
}

fn refused(name: &str, address: IpAddr) -> String {
    format!("{name} is {address}, an address of the local link, which no health check asks: name the service itself")
}

fn local_link(address: IpAddr) -> bool {
    let itself = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80 || within(v6).is_some_and(|v4| local_link(v4.into())),
    };
    itself || METADATA.contains(&address)
}

/// The address of the old kind that one of the new leads to: written in it (`::ffff:0:0/96`), by a translator
/// (`64:ff9b::/96`, `64:ff9b:1::/48`), or through a tunnel (`2002::/16`).
fn within(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = v6.segments();
    let joined = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (parts[0], parts[1]) {
        (0x64, 0xff9b) => Some(joined(parts[6], parts[7])),
        (0x2002, high) => Some(joined(high, parts[2])),
        _ => v6.to_ipv4(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_local_link_is_not_asked_however_it_is_written() {
        for url in [
            "http://169.254.169.254/latest/meta-data",
            "http://169.254.0.1:8080/",
            "http://2852039166/",
            "http://0xa9.0xfe.0xa9.0xfe/",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fd00:ec2::254]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[64:ff9b:1::a9fe:a9fe]/",
            "http://[2002:a9fe:a9fe::]/",
            "http://100.100.100.200/",
            "http://[::ffff:100.100.100.200]/",
        ] {
            let problem = problem(&url.parse().unwrap()).unwrap_or_else(|| panic!("{url} is asked"));
            assert!(problem.contains("name the service itself"), "{problem}");
        }
        for url in [
            "http://127.0.0.1:1/",
            "http://10.0.0.1/",
            "http://[::1]/",
            "http://web.shop/",
            "http://[fd00::1]/",
            "http://[64:ff9b::a00:1]/",
        ] {
            assert_eq!(problem(&url.parse().unwrap()), None, "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_leads_nowhere_else() {
        let resolved: Vec<SocketAddr> = Resolver.resolve("localhost".parse().unwrap()).await.unwrap().collect();
        assert!(resolved.iter().all(|address| address.ip().is_loopback()) && !resolved.is_empty(), "{resolved:?}");
        let Err(error) = Resolver.resolve("169.254.169.254".parse().unwrap()).await else { panic!("it was resolved") };
        assert!(error.to_string().contains("an address of the local link"), "{error}");
    }
}
