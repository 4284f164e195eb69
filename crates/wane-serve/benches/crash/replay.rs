//! State equals replay: the same events give the same lists, in whatever lives of the server they came.

use std::path::Path;

use super::Settings;
use super::ledger::{Event, Ledger, Marked};
use super::server::Server;

/// Users that are asked for at most.
const ASKED: usize = 25;

/// Streams what a server has into a fresh one and asks both.
pub(crate) fn check(
    settings: &Settings,
    folder: &Path,
    server: &Server,
    ledger: &Ledger,
    as_of: &str,
) -> Result<usize, String> {
    let fresh = Server::start(settings, folder)?;
    let (mut old, mut new) = (server.connect(), fresh.connect());
    let mut users: Vec<&String> = ledger
        .users
        .iter()
        .filter(|(_, user)| user.marked != Marked::Unknown)
        .map(|(name, _)| name)
        .collect();
    users.sort_unstable();
    let step = (users.len() / ASKED).max(1);
    let mut asked = 0;
    for user in users.into_iter().step_by(step) {
        let events = events(&mut old, user)?;
        if ledger.users[user].marked == Marked::Yes {
            new.ask("DELETE", &format!("/v1/users/{user}"), "", "").map_err(|error| error.to_string())?;
        }
        for part in events.chunks(1_000) {
            let lines: Vec<String> = part.iter().map(|event| event.json().to_string()).collect();
            let (status, body) = new
                .ask("POST", "/v1/events", "application/x-ndjson", &lines.join("\n"))
                .map_err(|error| error.to_string())?;
            if status != 202 {
                return Err(format!("a replay of {user} was answered {status}: {body}"));
            }
        }
        let question = format!("{{\"user_id\":\"{user}\",\"as_of\":\"{as_of}\",\"k\":20,\"explain\":true}}");
        let mut answers =
            [&mut old, &mut new].map(|own| own.ask("POST", "/v1/recommend", "application/json", &question));
        let [one, other] =
            answers.each_mut().map(|own| own.as_mut().map(|(status, body)| (*status, without_time(body))));
        match (one, other) {
            (Ok((200, one)), Ok((200, other))) if one == other => asked += 1,
            (one, other) => {
                return Err(format!("state and replay of {user} differ:\n{one:?}\n{other:?}\n{events:#?}"));
            }
        }
    }
    Ok(asked)
}

/// What a server has of a user.
pub(crate) fn events(connection: &mut super::http::Connection, user: &str) -> Result<Vec<Event>, String> {
    let answer = connection.ask("GET", &format!("/v1/users/{user}/events"), "", "");
    let (status, body) = answer.map_err(|error| format!("events of {user}: {error}"))?;
    let told: serde_json::Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
    let told = told["events"].as_array().ok_or_else(|| format!("events of {user}: {status}: {body}"))?;
    Ok(told.iter().map(|event| Event::told(user, event)).collect())
}

/// An answer without what it took, and without its own id.
fn without_time(body: &str) -> String {
    let Some((before, after)) = body.split_once("\"took_us\":") else { return body.to_owned() };
    let own = before.split_once("\"model\":").map_or(before, |(_, own)| own);
    format!("{own}{}", after.trim_start_matches(|letter: char| letter.is_ascii_digit()))
}
