//! State equals replay: the same events give the same lists, in whatever lives of the server they came.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::Settings;
use super::http::Connection;
use super::ledger::{Deed, Event, Ledger, Marked, What, tick};
use super::server::Server;

/// Users that are asked for at most.
const ASKED: usize = 25;

/// Streams what a server has into a fresh one and asks both. Users of whom it is not known whether they were erased are erased first.
pub(crate) fn check(
    settings: &Settings,
    folder: &Path,
    server: &Server,
    ledger: &mut Ledger,
    as_of: &str,
) -> Result<usize, String> {
    let fresh = Server::start(settings, folder)?;
    let (mut old, mut new) = (server.connect(), fresh.connect());
    let marked = |ledger: &Ledger, marked: Marked| -> Vec<String> {
        let users = ledger.users.iter().filter(|(_, user)| user.marked == marked);
        users.map(|(name, _)| name.clone()).collect()
    };
    for user in marked(ledger, Marked::Unknown) {
        let sent = tick();
        let answer = Some(erase(&mut old, &user)?);
        ledger.note(vec![Deed { what: What::Erase(user), sent, ended: tick(), answer }], |_| false)?;
    }
    // All users count.
    for user in marked(ledger, Marked::Yes) {
        erase(&mut new, &user)?;
    }
    wait_for_counts(&mut old)?;
    wait_for_counts(&mut new)?;
    let mut users: Vec<&String> = ledger.users.keys().collect();
    users.sort_unstable();
    let step = (users.len() / ASKED).max(1);
    let mut asked = 0;
    for user in users.into_iter().step_by(step) {
        let events = events(&mut old, user)?;
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

fn erase(connection: &mut Connection, user: &str) -> Result<Value, String> {
    let answer = connection.ask("DELETE", &format!("/v1/users/{user}"), "", "");
    let (status, body) = answer.map_err(|error| error.to_string())?;
    if status == 200 { Ok(told(&body)?) } else { Err(format!("an erasure was answered {status}: {body}")) }
}

/// Waits until what all users share has nothing of those who were erased.
fn wait_for_counts(connection: &mut Connection) -> Result<(), String> {
    for _ in 0..1_000 {
        let (_, text) = connection.ask("GET", "/metrics", "", "").map_err(|error| error.to_string())?;
        if text.contains("\nwane_counts_behind 0\n") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err("counts are behind for more than 20 s".to_owned())
}

/// What an item is called: a number, or nothing where there is none.
pub(crate) fn number_of(connection: &mut Connection, item: &str) -> Result<Option<u32>, String> {
    let answer = connection.ask("GET", &format!("/v1/items/{item}"), "", "");
    let (status, body) = answer.map_err(|error| format!("{item}: {error}"))?;
    let title = told(&body)?["title"].as_str().and_then(|title| title.parse().ok());
    match (status, title) {
        (200, Some(number)) => Ok(Some(number)),
        (404, _) => Ok(None),
        _ => Err(format!("{item} was answered {status}: {body}")),
    }
}

fn told(body: &str) -> Result<Value, String> {
    serde_json::from_str(body).map_err(|error| format!("{error}: {body}"))
}

/// What a server has of a user.
pub(crate) fn events(connection: &mut Connection, user: &str) -> Result<Vec<Event>, String> {
    let answer = connection.ask("GET", &format!("/v1/users/{user}/events"), "", "");
    let (status, body) = answer.map_err(|error| format!("events of {user}: {error}"))?;
    let told = told(&body)?;
    let told = told["events"].as_array().ok_or_else(|| format!("events of {user}: {status}: {body}"))?;
    Ok(told.iter().map(|event| Event::told(user, event)).collect())
}

/// An answer without what it took, and without its own id.
fn without_time(body: &str) -> String {
    let Some((before, after)) = body.split_once("\"took_us\":") else { return body.to_owned() };
    let own = before.split_once("\"model\":").map_or(before, |(_, own)| own);
    format!("{own}{}", after.trim_start_matches(|letter: char| letter.is_ascii_digit()))
}
