use super::*;

#[test]
fn a_world_of_one_gives_back_what_it_was_given() -> Result<()> {
    let world = World::current();
    assert!(world.is_one() && world.speaks());
    assert_eq!((world.rank(), world.size(), world.noise()), (0, 1, 0));
    let x = Tensor::of_slice(&[1.0, 2.0], &[2])?;
    for how in [Reduce::Sum, Reduce::Mean, Reduce::Max, Reduce::Min] {
        assert_eq!(world.all_reduce("x", &x, how)?.to_vec()?, [1.0, 2.0]);
    }
    assert_eq!(world.broadcast("x", &x, 0)?.to_vec()?, [1.0, 2.0]);
    assert_eq!(world.all_gather("x", &x)?.shape(), [1, 2]);
    assert_eq!(world.texts("x", "a")?, ["a"]);
    world.barrier("here")?;
    world.end()
}

#[test]
fn a_mean_of_whole_numbers_is_an_error() -> Result<()> {
    let whole = Tensor::of_ints(&[1, 2])?;
    assert!(World::one().all_reduce("x", &whole, Reduce::Mean).is_err());
    assert!(World::one().all_reduce("x", &whole, Reduce::Sum).is_ok());
    Ok(())
}

#[test]
fn what_cannot_be_shared_names_the_nearest_that_can() -> Result<()> {
    assert_eq!(World::one().share("batch_size", 7, 1)?, 7);
    Ok(())
}
