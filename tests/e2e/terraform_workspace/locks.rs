//! Locks of which nobody was told.

use super::world::World;
use super::{RESOURCE, SLOW, kill, wait_for};
use blockhouse::terraform::{OperationError, StateFate};

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_found_though_the_backend_fails_meanwhile() {
    let world = World::new();
    let mut workspace = world.ready("run-1", false, &world.configuration(SLOW)).await;
    let apply = tokio::spawn(async move { (workspace.apply().await, workspace) });
    wait_for(|| world.log().contains("Provisioning")).await;
    world.backend.with(|kept| kept.refuse_locks = 2);
    kill(&world.root("run-1").join("work"));
    let (answer, workspace) = apply.await.unwrap();
    let Err(OperationError::Failed(failure)) = answer else { panic!("{answer:?}") };
    assert!(matches!(failure.state, StateFate::Unknown(_)), "{failure:?}");
    assert_eq!(workspace.in_flight().report().unwrap().lock, None, "{}", world.log());
    assert!(world.log().contains("It was released."), "{}", world.log());
    world.backend.with(|kept| assert!(kept.lock.is_none() && kept.refuse_locks == 0));
    assert!(!world.place.path().join("locks/block.json").exists());
}

/// Kills an apply that waits for the backend to say whether it has the lock. What the runner takes for left of it.
async fn killed_while_it_locks(world: &World) -> Option<String> {
    let mut workspace = world.ready("run-1", false, &world.configuration(RESOURCE)).await;
    world.backend.with(|kept| kept.hang_locks = 1);
    let apply = tokio::spawn(async move { (workspace.apply().await, workspace) });
    wait_for(|| world.backend.with(|kept| kept.hang_locks == 0)).await;
    kill(&world.root("run-1").join("work"));
    let (answer, workspace) = apply.await.unwrap();
    assert!(matches!(answer, Err(OperationError::Failed(_))), "{answer:?}");
    workspace.in_flight().report().unwrap().lock
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_was_taken_before_anything_was_printed_is_released() {
    let world = World::new();
    assert_eq!(killed_while_it_locks(&world).await, None, "{}", world.log());
    assert!(world.log().contains("It was released."), "{}", world.log());
    world.backend.with(|kept| assert_eq!(kept.lock, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_another_one_had_before_is_not_released() {
    let world = World::new();
    let other = "{\"ID\":\"5d5e30c8-82bd-b9a0-0835-a687c4c2d502\",\"Operation\":\"OperationTypeApply\",\"Who\":\"somebody@elsewhere\",\"Version\":\"1.11.4\",\"Created\":\"2026-11-21T06:56:26.99Z\"}";
    world.backend.with(|kept| kept.lock = Some(other.to_owned()));
    let left = killed_while_it_locks(&world).await;
    assert_eq!(left.as_deref(), Some("5d5e30c8-82bd-b9a0-0835-a687c4c2d502"), "{}", world.log());
    world.backend.with(|kept| assert_eq!(kept.lock.as_deref(), Some(other)));
}

#[tokio::test]
async fn a_lock_whose_holder_was_not_told_of_it_is_released() {
    let world = World::new();
    let mut workspace = world.ready("run-1", false, &world.configuration(RESOURCE)).await;
    world.backend.with(|kept| kept.drop_locks = 1);
    workspace.apply().await.unwrap_or_else(|error| panic!("{error:?}\n{}", world.log()));
    assert!(world.log().contains("the answer was lost"), "{}", world.log());
    world.backend.with(|kept| assert!(kept.lock.is_none() && kept.drop_locks == 0));
}
