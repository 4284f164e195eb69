//! The state of a fit between two epochs, as named arrays, and what it is the state of.
//!
//! A fit may train twice: up to the held-out questions until they are answered no better, then on everything for as many
//! epochs. The state says which of the two it is of, the trainer's own state, and the best weights so far.

use crate::error::{Error, Result};
use crate::events::EventLog;
use crate::interest::{Catalogue, Features};
use crate::recommend::{Array, Checkpoint, Goal, Identity, Parameters, Training, Validation};
use crate::train::{Digest, Shape, Trainer, Weights};

use super::TraceSettings;
use super::balance::Balance;

/// The weights that answered the held-out questions best.
#[derive(Debug, Clone)]
pub(super) struct Best {
    pub(super) gain: f64,
    /// Epochs that they took; 0: what learning started from.
    pub(super) epoch: u32,
    pub(super) weights: Weights,
    /// What their parts deserve.
    pub(super) balance: Balance,
    /// The least loss of the held-out questions so far by [`FALL`], which may be another epoch's.
    pub(super) least: Least,
    /// The last epoch that answered nearly as well.
    pub(super) near: u32,
}

/// A loss, in nats per question, and the epoch after which it was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Least {
    pub(super) loss: f64,
    pub(super) epoch: u32,
}

/// What a loss must fall by, in nats, to count as less: a thousand epochs could each bring a little.
const FALL: f64 = 3e-3;

/// The share of the best gain that is nearly as good.
const NEAR: f64 = 0.995;

impl Best {
    /// The epoch since which there was no hope of better. Ranks of few questions in a large catalogue hardly change from one
    /// epoch to the next while the loss still falls, and then it is worth going on; but not where they have become worse.
    pub(super) fn last_hope(&self) -> u32 {
        self.epoch.max(self.least.epoch.min(self.near))
    }

    /// The better of this and a later answer.
    pub(super) fn or(self, later: Self) -> Self {
        let is_less = later.least.loss < self.least.loss - FALL;
        let least = if is_less { later.least } else { self.least };
        let near = if later.gain >= NEAR * self.gain { later.epoch } else { self.near };
        Self { least, near, ..if later.gain > self.gain { later } else { self } }
    }
}

/// Where the states of a fit go, and the one that an interrupted fit left.
pub(super) struct Record<'a> {
    kept: Option<(&'a dyn Checkpoint, Identity)>,
    left: Option<Parameters>,
}

/// Which training a state is of, `[whether questions are asked, epochs at most]`.
const RUN: &str = "run";
/// Bits of what the parts of the score deserve.
const BALANCE: &str = "balance";

impl<'a> Record<'a> {
    /// Looks for the state of an interrupted fit, where states are kept at all.
    pub(super) fn open(
        settings: &TraceSettings,
        training: &Training<'a>,
        validation: Option<&Validation<'_>>,
    ) -> Result<Self> {
        let Some(checkpoint) = training.checkpoint else { return Ok(Self { kept: None, left: None }) };
        let identity = identity(settings, training, validation)?;
        let left = checkpoint.load(&identity)?;
        Ok(Self { kept: Some((checkpoint, identity)), left })
    }

    /// Epochs of the training on everything and what the parts deserve, where the interrupted fit had got that far.
    pub(super) fn settled(&self) -> Result<Option<(u32, Balance)>> {
        match (self.run(), &self.left) {
            (Some([0, epochs]), Some(state)) => {
                Ok(Some((epochs, Balance::from_bits(&state.clone().take_u64(BALANCE)?))))
            }
            _ => Ok(None),
        }
    }

    fn run(&self) -> Option<[u32; 2]> {
        match self.left.as_ref()?.0.get(RUN)? {
            Array::U32(run) => run[..].try_into().ok(),
            _ => None,
        }
    }

    /// Puts a trainer where the interrupted training was, and returns its best weights and its balance; nothing where
    /// the state is of the other training, or there is none.
    pub(super) fn resume(
        &mut self,
        asks: bool,
        trainer: &mut Trainer<'_>,
        shape: Shape,
    ) -> Result<Option<(Option<Best>, Balance)>> {
        if self.run().is_none_or(|run| (run[0] == 1) != asks) {
            return Ok(None);
        }
        let Some(mut state) = self.left.take() else { return Ok(None) };
        trainer.restore(&mut state)?;
        let best =
            if state.0.contains_key("best.epoch") { Some(take_best(&mut state, shape)?) } else { None };
        Ok(Some((best, Balance::from_bits(&state.take_u64(BALANCE)?))))
    }

    /// Keeps the state after an epoch.
    pub(super) fn keep(
        &self,
        asks: bool,
        epochs: u32,
        trainer: &Trainer<'_>,
        balance: &Balance,
        best: Option<&Best>,
    ) -> Result<()> {
        let Some((checkpoint, identity)) = &self.kept else { return Ok(()) };
        let mut state = trainer
            .state()
            .with(RUN, Array::U32(vec![u32::from(asks), epochs]))
            .with(BALANCE, Array::U64(balance.bits()));
        if let Some(best) = best {
            state = state
                .with("best.epoch", Array::U32(vec![best.epoch]))
                .with("best.gain", Array::U64(vec![best.gain.to_bits()]))
                .with("best.balance", Array::U64(best.balance.bits()))
                .with("near.epoch", Array::U32(vec![best.near]))
                .with("least.epoch", Array::U32(vec![best.least.epoch]))
                .with("least.loss", Array::U64(vec![best.least.loss.to_bits()]))
                .with("best.vectors", Array::F32(best.weights.vectors.clone()))
                .with("best.features", Array::F32(best.weights.features.clone()))
                .with("best.bias", Array::F32(best.weights.bias.clone()))
                .with("best.shared", Array::F32(best.weights.shared.clone()));
        }
        checkpoint.save(identity, &state)
    }
}

fn take_best(state: &mut Parameters, shape: Shape) -> Result<Best> {
    let mut take = |name: &str, expected: usize| {
        let values = state.take_f32(name)?;
        if values.len() == expected {
            return Ok(values);
        }
        let expected = format!("{expected} numbers; the state is of another training, begin anew");
        Err(Error::setting(name, expected, values.len()))
    };
    let weights = Weights {
        shape,
        vectors: take("best.vectors", shape.items * shape.dim)?,
        features: take("best.features", shape.features * shape.dim)?,
        bias: take("best.bias", shape.items)?,
        shared: take("best.shared", shape.shared())?,
    };
    let balance = Balance::from_bits(&state.take_u64("best.balance")?);
    let mut number =
        |name: &str| Ok(f64::from_bits(state.take_u64(name)?.first().copied().unwrap_or_default()));
    let (gain, loss) = (number("best.gain")?, number("least.loss")?);
    let mut epoch = |name: &str| Ok::<_, Error>(state.take_u32(name)?.first().copied().unwrap_or_default());
    let (epoch, near, of_loss) = (epoch("best.epoch")?, epoch("near.epoch")?, epoch("least.epoch")?);
    Ok(Best { gain, epoch, weights, balance, least: Least { loss, epoch: of_loss }, near })
}

/// Everything on which the bits of a fit depend.
fn identity(
    settings: &TraceSettings,
    training: &Training<'_>,
    validation: Option<&Validation<'_>>,
) -> Result<Identity> {
    let written = serde_json::to_value(settings)
        .map_err(|error| Error::setting("trace", "settings that can be written as JSON", error))?;
    let mut identity = Identity::default()
        // Another version may add up in another order.
        .with("version of wane", env!("CARGO_PKG_VERSION"))
        .with("seed", training.seed)
        .with("goal", if training.goal == Goal::NextItem { "next-item" } else { "next-basket" })
        .with_digest("events", &digest_of_log(training.log))
        .with_digest("catalogue", &training.catalogue.map_or_else(String::new, digest_of_catalogue))
        .with_digest("held-out questions", &validation.map_or_else(String::new, digest_of_questions))
        .with_digest("model to start from", training.start.map_or("", |start| start.digest()));
    for (name, value) in written.as_object().into_iter().flatten() {
        identity = identity.with(name, value);
    }
    Ok(identity)
}

fn digest_of_log(log: &EventLog) -> String {
    let (mut digest, events) = (Digest::default(), log.events());
    log.items().iter().for_each(|name| digest.text(name));
    log.event_types().iter().for_each(|name| digest.text(name));
    digest.numbers(log.offsets().iter().map(|&offset| (offset as u64).to_le_bytes()));
    digest.numbers(events.items().iter().map(|item| item.0.to_le_bytes()));
    digest.numbers(events.times().iter().map(|time| time.millis().to_le_bytes()));
    digest.numbers(events.event_types().iter().map(|kind| [kind.0]));
    digest.numbers(events.sessions().into_iter().flatten().map(|session| session.to_le_bytes()));
    digest.finish()
}

/// What a catalogue says to a trace model: features, vectors and relations.
fn digest_of_catalogue(catalogue: &Catalogue) -> String {
    let (mut digest, features) = (Digest::default(), Features::of(catalogue));
    features.names.iter().for_each(|name| digest.text(name));
    for item in 0..catalogue.items.len() as u32 {
        digest.numbers(features.of_item(item).iter().map(|feature| feature.to_le_bytes()));
    }
    if let Some(vectors) = &catalogue.vectors {
        digest.numbers(vectors.data.iter().map(|value| value.to_le_bytes()));
    }
    for relation in &catalogue.relations {
        let (offsets, targets, weights) = relation.rows();
        digest.text(relation.name());
        digest.numbers(offsets.iter().map(|&offset| (offset as u64).to_le_bytes()));
        digest.numbers(targets.iter().map(|item| item.0.to_le_bytes()));
        digest.numbers(weights.iter().map(|weight| weight.to_le_bytes()));
    }
    digest.finish()
}

fn digest_of_questions(validation: &Validation<'_>) -> String {
    let mut digest = Digest::default();
    digest.text(&digest_of_log(validation.log));
    for question in &validation.questions {
        let (history, others) = (question.history.items(), question.others.unwrap_or_default());
        digest.numbers([question.as_of.millis().to_le_bytes()].into_iter());
        for items in [history, &question.targets[..], others] {
            digest.numbers(items.iter().map(|item| item.0.to_le_bytes()));
        }
    }
    digest.finish()
}
