//! What the statuses of an online endpoint mean, and what to do about each (service notes 14.4).

struct Row {
    status: u16,
    means: &'static str,
    advice: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        status: 401,
        means: "the endpoint refused the key or token",
        advice: "if its keys were changed just now, run the step again; else look at the endpoint's auth mode",
    },
    Row {
        status: 403,
        means: "this identity may not call the endpoint",
        advice: "give it the role `Azure Machine Learning Data Scientist`, or the action \
                 Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action, on the endpoint",
    },
    Row {
        status: 404,
        means: "nobody answers at the scoring address: no deployment gets traffic, or the address is another",
        advice: "name a deployment with `deployment-name`, or give one traffic with allocate-traffic",
    },
    Row {
        status: 408,
        means: "the deployment did not answer in its time",
        advice: "raise `request_settings.request_timeout_ms` of the deployment, or send less at once",
    },
    Row {
        status: 413,
        means: "the request is too large for the endpoint",
        advice: "send fewer rows; a batch endpoint takes what is larger",
    },
    Row {
        status: 424,
        means: "the model answered with an error of its own",
        advice: "the deployment's log says what its scoring script raised; the request may not be what `run` expects",
    },
    Row {
        status: 429,
        means: "the deployment has more requests waiting than it takes",
        advice: "raise its instances or `request_settings.max_concurrent_requests_per_instance`",
    },
    Row {
        status: 502,
        means: "the deployment's container broke off or cannot be reached",
        advice: "the deployment's log says why: memory and crashes of the scoring script are the usual causes",
    },
    Row {
        status: 503,
        means: "no instance was there to take the request",
        advice: "wait until the deployment has scaled, or raise its instances",
    },
    Row {
        status: 504,
        means: "the deployment did not answer in time",
        advice: "raise `request_settings.request_timeout_ms` of the deployment, or send less at once",
    },
];

/// What a status means and what to do about it, where more can be said than its number.
pub fn explain(status: u16) -> Option<(&'static str, &'static str)> {
    let row = ROWS.iter().find(|row| row.status == status)?;
    Some((row.means, row.advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_listed_once_and_in_order() {
        assert!(ROWS.windows(2).all(|pair| pair[0].status < pair[1].status));
        assert!(explain(424).unwrap().0.contains("model"));
        assert_eq!(explain(200), None);
    }
}
