//! What is to happen at a point.

use std::fmt;
use std::str::FromStr;

/// An order, as it stands in its file: `kill`, `signal 4711 3`, `wait 250`, `raise 40001`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// The process that comes by kills itself with SIGKILL.
    Kill,
    /// It sends a signal to another process (the server's, to stop it at once) and stands still, for that to arrive.
    Signal {
        /// To whom.
        pid: i32,
        /// Which.
        signal: i32,
    },
    /// Time stands still for so many milliseconds.
    Wait(u64),
    /// It raises an error of this code.
    Raise(String),
}

/// A text that is no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownOrder;

impl fmt::Display for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::Kill => formatter.write_str("kill"),
            Order::Signal { pid, signal } => write!(formatter, "signal {pid} {signal}"),
            Order::Wait(milliseconds) => write!(formatter, "wait {milliseconds}"),
            Order::Raise(code) => write!(formatter, "raise {code}"),
        }
    }
}

impl FromStr for Order {
    type Err = UnknownOrder;

    fn from_str(text: &str) -> Result<Self, UnknownOrder> {
        let words: Vec<_> = text.split_whitespace().collect();
        let number = |word: &str| word.parse::<i32>().map_err(|_| UnknownOrder);
        match words[..] {
            ["kill"] => Ok(Order::Kill),
            ["signal", pid, signal] => Ok(Order::Signal {
                pid: number(pid)?,
                signal: number(signal)?,
            }),
            ["wait", wait] => wait.parse().map(Order::Wait).map_err(|_| UnknownOrder),
            ["raise", code] => Ok(Order::Raise(code.to_owned())),
            _ => Err(UnknownOrder),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let orders = [
            Order::Kill,
            Order::Signal { pid: 7, signal: 3 },
            Order::Wait(250),
            Order::Raise("40001".to_owned()),
        ];
        for order in orders {
            assert_eq!(order.to_string().parse(), Ok(order));
        }
        for text in ["", "kill me", "signal 7", "wait long", "raise"] {
            assert_eq!(text.parse::<Order>(), Err(UnknownOrder), "{text}");
        }
    }
}
