//! `wane key`: a new key for the server, and the lines by which the server knows it.

use anyhow::{Result, anyhow, ensure};
use wane_serve::{KeyMark, new_key};

use crate::args::MakeKey;
use crate::serve_config::{is_name, roles_of};
use crate::terminal::Terminal;

/// Runs the command.
pub(crate) fn run(args: &MakeKey, terminal: Terminal) -> Result<()> {
    let name = &args.name;
    ensure!(is_name(name), "--name: expected 1 to 64 letters, digits, `-`, `_` or `.`, got `{name}`");
    roles_of("--roles", args.roles.iter().map(String::as_str))?;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
    let key = new_key(random);
    // Each goes its own way by `> secret 2>> serve.toml`, without being seen.
    terminal.line(&key)?;
    let roles: Vec<String> = args.roles.iter().map(|role| format!("\"{role}\"")).collect();
    terminal.remark(format!(
        "# The key itself is shown this once and kept nowhere. For the file of wane serve --config:\n\
         [[keys]]\nname = \"{name}\"\nroles = [{}]\nsha256 = \"{}\"",
        roles.join(", "),
        KeyMark::of(&key)
    ));
    Ok(())
}
