//! Each policy and each binding is missed, one by one.

use slipway_crd::Deployment;
use slipway_crd::likeness::models;
use slipway_domain::phase::Phase;

use super::alone::{Alone, put_one_back, remove};

#[tokio::test]
async fn without_any_one_of_them_nobody_is_believed_and_once_all_are_back_everybody_is_asked_anew() {
    let alone = Alone::open().await;
    let before = alone.waiting().await;
    let uid = alone.stage.get::<Deployment>("web-v1").await.metadata.uid.unwrap();
    let mut before_it = None;
    for model in models() {
        remove(&alone.stage, &model);
        // Only now is the one before put back: all of this is one gap.
        let reviewed = before_it.as_ref().map(|other| put_one_back(&alone.stage, other)).is_some();
        let missing = format!("{} {} is missing", model.kind, model.name);
        alone.distrusted(&missing).await;
        alone.not_ready(&format!("policies_not_in_force: {missing}")).await;
        if !reviewed {
            alone.approve().await;
        }
        let now: Deployment = alone.stage.get("web-v1").await;
        let status = now.status.unwrap();
        assert_eq!(status.diagnostics.unwrap().code, "policies_not_in_force");
        assert_eq!((status.phase, status.approval.unwrap().count), (Phase::PendingApproval, Some(0)), "{missing}");
        before_it = Some(model);
    }
    put_one_back(&alone.stage, &before_it.unwrap());
    alone.starts_over(&before).await;
    alone.ready().await;
    let history = alone.stage.recorded(&uid, "release.applied").await;
    let void = history.iter().find(|event| event.action.as_str() == "release.review_void").unwrap();
    assert_eq!((void.actor_id.as_str(), void.detail["code"].as_str()), ("controller", "policies_not_in_force"));
    let approved = history.iter().filter(|event| event.action.as_str() == "release.approved");
    assert_eq!(approved.count(), 1);
    alone.stage.verify();
}
