//! MariaDB's `inet4` and `inet6`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mysql::Value;
use synapsor_core::json::Json;

use super::text::cell_of;
use super::{Exact, Family, Fault, Typed};

/// `inet4` or `inet6`.
#[derive(Debug)]
pub(super) enum AddressType {
    V4,
    V6,
}

impl AddressType {
    fn parse(&self, text: &str) -> Option<IpAddr> {
        match self {
            AddressType::V4 => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            AddressType::V6 => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        }
    }
}

impl Family for AddressType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let address = value
            .as_str()
            .and_then(|text| self.parse(&text))
            .ok_or(Fault::Mismatch)?;
        Ok(Typed {
            parameter: Value::Bytes(address.to_string().into_bytes()),
            exact: Exact::Address(address),
        })
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        cell_of(cell)
            .and_then(|text| self.parse(text))
            .map(Exact::Address)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fault::Mismatch;
    use super::super::sample::{cell, fault, held, sent};
    use mysql::Value;

    #[test]
    fn an_address_is_the_same_in_every_form() {
        assert_eq!(
            sent("inet4", "\"10.0.0.1\""),
            Value::Bytes(b"10.0.0.1".to_vec())
        );
        for (value, as_read) in [
            ("\"2001:DB8:0:0:1:0:0:1\"", "2001:db8::1:0:0:1"),
            ("\"::2:3\"", "::0.2.0.3"),
            ("\"::ffff:102:304\"", "::ffff:1.2.3.4"),
        ] {
            let as_read = Value::Bytes(as_read.as_bytes().to_vec());
            assert_eq!(
                cell("inet6", &as_read),
                Some(held("inet6", value)),
                "{value}"
            );
        }
    }

    #[test]
    fn another_text_is_a_mismatch() {
        for value in [
            "\"\"",
            "\"10.0.0\"",
            "\"010.0.0.1\"",
            "\"::1\"",
            "\"10.0.0.1/8\"",
            "1",
        ] {
            assert_eq!(fault("inet4", value), Mismatch, "{value}");
        }
        for value in [
            "\"\"",
            "\"10.0.0.1\"",
            "\"fe80::1%eth0\"",
            "\"[::1]\"",
            "true",
        ] {
            assert_eq!(fault("inet6", value), Mismatch, "{value}");
        }
    }
}
