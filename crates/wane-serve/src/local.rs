//! Where no key is asked for, only this machine may ask, and a web page that is open on it is not this machine.
//!
//! A page can make a browser ask any address: under a name of its own that it has turn into 127.0.0.1 (DNS rebinding), which the
//! `Host` header gives away, or from afar without reading the answer, which the `Origin` header gives away. Programs send neither.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};

/// What gives a request away that a page elsewhere caused, in words.
pub(crate) fn refusal(uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    // HTTP/2 has the host in the address.
    let own = uri.authority().map(|authority| authority.as_str());
    let named = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let hosts_are_local = own.into_iter().chain(named(header::HOST)).all(is_local);
    if !hosts_are_local {
        return Some(
            "without keys only this machine's own names are answered: ask localhost or 127.0.0.1, or configure keys",
        );
    }
    let is_local_origin = |origin: &str| origin.split_once("://").is_some_and(|(_, host)| is_local(host));
    let came_from_here = named(header::ORIGIN).is_none_or(is_local_origin);
    (!came_from_here).then_some("without keys pages of other sites are not answered: configure keys")
}

/// Whether a host, perhaps with a port, can be nothing but this machine.
fn is_local(host: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit());
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) => name,
        Some((name, port)) if port.strip_prefix(':').is_some_and(is_port) => name,
        Some(_) => return false,
        None => match host.split_once(':') {
            Some((name, port)) if is_port(port) => name,
            Some(_) => return false,
            None => host,
        },
    };
    let name = name.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for host in [
            "localhost",
            "LOCALHOST:7700",
            "127.0.0.1:80",
            "127.3.2.1",
            "[::1]:7700",
            "[::1]",
            "a.localhost:1",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "example.org",
            "localhost.example.org",
            "127.0.0.1.nip.io",
            "10.0.0.1:80",
            "[::1",
            "[::1]x",
            "[::2]",
            "localhost:80@example.org",
            "example.org:80",
            "user@localhost",
            "0.0.0.0",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn a_page_from_elsewhere_is_given_away() {
        let ask = |uri: &str, lines: &[(header::HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.insert(name, header::HeaderValue::from_static(value));
            }
            refusal(&uri.parse().unwrap(), &headers).is_some()
        };
        assert!(!ask("/v1/events", &[]));
        assert!(!ask("/v1/events", &[(header::HOST, "localhost:7700")]));
        assert!(!ask(
            "/v1/events",
            &[(header::HOST, "localhost"), (header::ORIGIN, "http://localhost:3000")]
        ));
        assert!(ask("/v1/events", &[(header::HOST, "evil.example")]));
        assert!(ask("http://evil.example/v1/events", &[]));
        assert!(ask("/v1/events", &[(header::HOST, "localhost"), (header::ORIGIN, "https://evil.example")]));
        assert!(ask("/v1/events", &[(header::HOST, "localhost"), (header::ORIGIN, "null")]));
    }
}
