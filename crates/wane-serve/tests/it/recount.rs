//! Who is erased leaves the counts of all users too.

use std::path::Path;
use std::time::{Duration, Instant};

use super::*;

/// A log in which one user alone, and often, did something with `lone`.
fn log_with_one_more() -> EventLog {
    let log = log();
    let mut columns = EventColumns {
        user_names: log.users().iter().map(str::to_owned).chain(["only".to_owned()]).collect(),
        item_names: log.items().iter().map(str::to_owned).chain(["lone".to_owned()]).collect(),
        event_types: log.event_types().to_vec(),
        ..EventColumns::default()
    };
    let mut push = |user: u32, item: u32, time: Timestamp, event_type: EventTypeId| {
        columns.users.push(user);
        columns.items.push(item);
        columns.times.push(time);
        columns.types.push(event_type);
    };
    for (user, history) in log.histories() {
        history.iter().for_each(|event| push(user.0, event.item.0, event.time, event.event_type));
    }
    for n in 0..30 {
        let time = Timestamp::from_millis(NOW - i64::from(90 - n) * 86_400_000);
        push(20, [12, 3][n as usize % 2], time, EventTypeId(0));
    }
    EventLog::from_columns(columns).unwrap()
}

fn saved(log: &EventLog, name: &str, folder: &Path) {
    let settings = ModelSettings::named(name).unwrap();
    fit_as(&Training::new(log, None, 1), &settings).unwrap().save(folder).unwrap();
}

fn open(model: &Path, state: &Path) -> Router {
    routes_of(Arc::new(Engine::open(model, state, Durability::Os, standing(), Encoders::default()).unwrap()))
}

async fn list(router: &Router) -> Value {
    let asked = json!({"user_id": "u03", "k": 13, "no_repeat": false});
    post(router, "/v1/recommend", asked).await.1["items"].clone()
}

/// Waits until counts are taken again, as whoever asks for an erasure does.
async fn erased(router: &Router) {
    let start = Instant::now();
    loop {
        let (status, answer) = ask(router, "DELETE", "/v1/users/only", "", "").await;
        assert_eq!(status, StatusCode::OK);
        if answer["counts_are_gone"] == true {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn who_is_erased_leaves_the_counts_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let all = log_with_one_more();
    let only = all.users().position("only").unwrap();
    let without = all.filter(|user, _, _| user.0 != only);
    for name in ["popularity", "item-knn"] {
        let path = |what: &str| folder.path().join(format!("{name} {what}"));
        saved(&all, name, &path("all"));
        saved(&without, name, &path("without"));
        let expected = list(&open(&path("without"), &path("state of without"))).await;
        let router = open(&path("all"), &path("state"));
        let before = list(&router).await;
        assert_ne!(before, expected, "{name}");
        let (_, nobody) = ask(&router, "DELETE", "/v1/users/nobody", "", "").await;
        assert_eq!(nobody["counts_are_gone"], true, "{name}: who was never there is in no count");
        erased(&router).await;
        assert_eq!(list(&router).await, expected, "{name}");
        // A model that comes later, and one that comes back, count without them too.
        let change = |change: Value| post(&router, "/v1/admin/model", change);
        assert_eq!(change(json!({"load": path("all")})).await.0, StatusCode::OK);
        erased(&router).await;
        assert_eq!(list(&router).await, expected, "{name}");
        assert_eq!(change(json!({"roll_back": true})).await.0, StatusCode::OK);
        assert_eq!(list(&router).await, expected, "{name}");
        drop(router);
        let router = open(&path("all"), &path("state"));
        erased(&router).await;
        assert_eq!(list(&router).await, expected, "{name}: after a start");
    }
}
