//! Cases as text: one a line, with ` | ` between the cells.

/// The cases of a text, each of `N` cells. Space around a cell does not count, and empty lines don't either.
pub fn cases<const N: usize>(text: &'static str) -> Vec<[&'static str; N]> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let read = |line: &'static str| {
        let cells: Vec<_> = line.split(" | ").map(str::trim).collect();
        <[&str; N]>::try_from(cells).unwrap_or_else(|_| panic!("not of {N} cells: {line}"))
    };
    lines.map(read).collect()
}
