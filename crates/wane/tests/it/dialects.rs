//! Logs as well-known sources write them, each read with as little help as the document promises.

use std::fs;

use wane::events::read::{ColumnMap, Guests, Inspection, ReadOptions, read_events};
use wane::events::{EventLog, UserId};

fn read(name: &str, content: &str, options: &ReadOptions) -> (EventLog, Inspection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    read_events(&[path], options).unwrap()
}

fn columns(inspection: &Inspection) -> String {
    let columns = &inspection.files[0].columns;
    columns.iter().map(|(part, column)| format!("{part}={column}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn recbole_headers_lose_their_types() {
    let text = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n";
    let (log, inspection) = read("ml.inter", text, &ReadOptions::default());
    assert_eq!(columns(&inspection), "item=item_id time=timestamp user=user_id value=rating");
    assert_eq!(log.history(UserId(0)).get(0).unwrap().value, Some(3.0));
    assert_eq!(inspection.first.as_deref(), Some("1997-12-04T15:55:49Z"));
}

#[test]
fn sessions_with_float_seconds() {
    let text = "SessionId\tItemId\tTime\n27\t5959\t1593536687.0\n27\t5960\t1593536688.0\n";
    let (log, inspection) = read("train.txt", text, &ReadOptions::default());
    assert_eq!(columns(&inspection), "item=ItemId time=Time user=SessionId");
    assert_eq!((log.n_users(), inspection.files[0].time.as_str()), (1, "epoch seconds"));
}

#[test]
fn headerless_with_behaviour_codes() {
    let text = "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,buy,1511561733\n";
    let map = ColumnMap::parse("user=1,item=2,type=4,time=5").unwrap();
    let (_, inspection) = read("taobao.csv", text, &ReadOptions { map, ..ReadOptions::default() });
    assert_eq!(inspection.event_types, [("purchase".into(), 1), ("view".into(), 1)].into());
}

#[test]
fn numbered_types_have_names_by_a_map() {
    let text =
        "user_id,item_id,behavior_type,user_geohash,time\n9,2,1,,2014-12-06 02\n9,3,4,,2014-12-09 20\n";
    let type_map = [("1".to_owned(), "view".to_owned()), ("4".to_owned(), "purchase".to_owned())].into();
    let (_, inspection) = read("tianchi.csv", text, &ReadOptions { type_map, ..ReadOptions::default() });
    assert_eq!(inspection.event_types, [("purchase".into(), 1), ("view".into(), 1)].into());
    assert_eq!(inspection.last.as_deref(), Some("2014-12-09T20:00:00Z"));
}

const INVOICES: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n\
    536365,85123A,\"HEART, WHITE\",6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n\
    C536379,85123A,\"HEART, WHITE\",-1,2010-12-01 09:41:00,2.55,17850.0,United Kingdom\n\
    536380,21730,STAR,-2,2010-12-01 09:42:00,4.25,17850.0,United Kingdom\n\
    536381,POST,POSTAGE,1,2010-12-01 09:43:00,18.0,17850.0,United Kingdom\n\
    536382,21730,STAR,1,2010-12-01 09:44:00,4.25,,United Kingdom\n\
    536382,21731,MOON,1,2010-12-01 09:44:00,4.25,,United Kingdom\n";

fn invoices(guests: Guests) -> ReadOptions {
    let rules = ["InvoiceNo^C=cancellation", "Quantity<0=return"];
    ReadOptions {
        type_rules: rules.map(|rule| rule.parse().unwrap()).to_vec(),
        type_map: [("event".to_owned(), "purchase".to_owned())].into(),
        exclude_items: vec!["POST".into()],
        guests,
        ..ReadOptions::default()
    }
}

#[test]
fn invoices_have_returns_cancellations_guests_and_postage() {
    let (log, inspection) = read("retail.csv", INVOICES, &invoices(Guests::Skip));
    let types = [("cancellation".into(), 1), ("purchase".into(), 1), ("return".into(), 1)];
    assert_eq!(inspection.event_types, types.into());
    assert_eq!(inspection.dropped, [("excluded item".into(), 1), ("guest".into(), 2)].into());
    let rules = [("InvoiceNo^C=cancellation".into(), 1), ("Quantity<0=return".into(), 1)];
    assert_eq!(inspection.rules, rules.into());
    assert_eq!(log.users().iter().collect::<Vec<_>>(), ["17850"]);
    assert_eq!(inspection.repaired["id written as a float"], 4);
    assert_eq!((log.n_items(), inspection.accepted), (2, 3));
}

#[test]
fn guests_can_be_their_sessions() {
    let (log, inspection) = read("retail.csv", INVOICES, &invoices(Guests::Session));
    assert_eq!(log.users().iter().collect::<Vec<_>>(), ["17850", "session:536382"]);
    assert_eq!(log.history(UserId(1)).len(), 2);
    assert!(inspection.rejected.is_empty());
    let sessions: Vec<_> = log.events().iter().map(|event| event.session).collect();
    assert_eq!(sessions, [Some(0), Some(1), Some(2), Some(3), Some(3)]);
}
