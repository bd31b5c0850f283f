//! A process of this program's own: started with a subcommand, told what to do in lines of JSON, and ended with its input.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A process that answers each order with a line.
pub struct OwnProcess {
    name: String,
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl OwnProcess {
    /// Starts this program with a subcommand.
    pub fn start(arguments: &[&str]) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program can be started");
        let answers = child.stdout.take().expect("a pipe");
        OwnProcess {
            name: arguments.first().copied().unwrap_or_default().to_owned(),
            orders: child.stdin.take(),
            answers: BufReader::new(answers),
            child,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Gives an order, and waits for the answer.
    pub fn ask<A: DeserializeOwned>(&mut self, order: &impl Serialize) -> A {
        let line = serde_json::to_string(order).expect("an order is JSON");
        let orders = self.orders.as_mut().expect("a pipe");
        let given = writeln!(orders, "{line}").and_then(|()| orders.flush());
        given.unwrap_or_else(|error| panic!("the {} takes no order: {error}", self.name));
        self.answer()
    }

    /// Waits for what it says by itself.
    pub fn answer<A: DeserializeOwned>(&mut self) -> A {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        read.unwrap_or_else(|error| panic!("the {} can't be heard: {error}", self.name));
        serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the {} says {line:?}: {error}", self.name))
    }
}

impl Drop for OwnProcess {
    /// It ends by itself when nobody is there any more to give an order.
    fn drop(&mut self) {
        self.orders.take();
        let _ = self.child.wait();
    }
}

/// The other side: says something.
pub fn say(what: &impl Serialize) {
    let line = serde_json::to_string(what).expect("an answer is JSON");
    println!("{line}");
}

/// The other side: the orders, until there is nobody any more to give one.
pub fn orders<O: DeserializeOwned>() -> impl Iterator<Item = O> {
    let lines = io::stdin().lock().lines().map_while(Result::ok);
    lines.map(|line| serde_json::from_str(&line).expect("an order is JSON"))
}
