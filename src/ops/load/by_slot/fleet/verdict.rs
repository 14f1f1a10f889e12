//! What a server makes of a transaction.

use redis::Value;

use crate::live::{Class, ErrorReply, reply_of};

/// What the replies to a transaction mean.
pub(super) enum Verdict {
    /// It took effect; these of its commands failed.
    Done(Vec<(usize, ErrorReply)>),
    /// It did not, and will not with these commands in it.
    Without(Vec<(usize, ErrorReply)>),
    /// It did not; this is why.
    Not(ErrorReply),
}

/// What the replies to MULTI, to the commands, to the checkpoint and to EXEC mean.
pub(super) fn verdict(replies: &[Value]) -> Verdict {
    let error = |value: &Value| match value {
        Value::ServerError(error) => Some(reply_of(error)),
        _ => None,
    };
    let Some((exec, queued)) = replies.split_last() else {
        return Verdict::Not(ErrorReply { words: "TRYAGAIN no reply".into() });
    };
    if let Value::Array(answers) = exec {
        let commands = answers.len().saturating_sub(1);
        let refused = answers.iter().take(commands).enumerate();
        return Verdict::Done(
            refused.filter_map(|(index, answer)| Some((index, error(answer)?))).collect(),
        );
    }
    let mut refused = Vec::new();
    let last = queued.len().saturating_sub(1);
    for (index, reply) in queued.iter().enumerate() {
        let Some(reply) = error(reply) else { continue };
        let is_command = index > 0 && index < last;
        match reply.class() {
            Class::Refused | Class::Denied | Class::Exists if is_command => {
                refused.push((index - 1, reply));
            }
            _ => return Verdict::Not(reply),
        }
    }
    if !refused.is_empty() {
        return Verdict::Without(refused);
    }
    let nothing = || ErrorReply { words: "TRYAGAIN the transaction was called off".into() };
    Verdict::Not(error(exec).unwrap_or_else(nothing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(text: &str) -> Vec<Value> {
        let mut rest = text.replace('|', "\r\n");
        rest.push_str("\r\n");
        let (mut replies, mut bytes) = (Vec::new(), rest.as_bytes());
        while let Ok(Some(len)) = crate::live::frame_len(bytes) {
            replies.push(redis::parse_redis_value(&bytes[..len]).unwrap());
            bytes = &bytes[len..];
        }
        replies
    }

    #[test]
    fn answers_to_a_transaction() {
        let done = "+OK|+QUEUED|+QUEUED|+QUEUED|*3|+OK|-WRONGTYPE no|+OK";
        let Verdict::Done(refused) = verdict(&replies(done)) else { panic!() };
        assert_eq!(refused.len(), 1);
        assert_eq!((refused[0].0, refused[0].1.words.as_str()), (1, "WRONGTYPE no"));

        let unknown = "+OK|-ERR unknown command|+QUEUED|+QUEUED|-EXECABORT x";
        let Verdict::Without(refused) = verdict(&replies(unknown)) else { panic!() };
        assert_eq!(refused[0].0, 0);

        for (text, code) in [
            ("+OK|-MOVED 1 h:1|-MOVED 1 h:1|-EXECABORT x", "MOVED"),
            ("+OK|+QUEUED|-ASK 1 h:1|-EXECABORT x", "ASK"),
            ("+OK|+QUEUED|+QUEUED|-TRYAGAIN x", "TRYAGAIN"),
            ("+OK|-OOM x|+QUEUED|-EXECABORT x", "OOM"),
            ("+OK|+QUEUED|+QUEUED|*-1", "TRYAGAIN"),
        ] {
            let Verdict::Not(reply) = verdict(&replies(text)) else { panic!("{text}") };
            assert_eq!(reply.code(), code);
        }
    }
}
