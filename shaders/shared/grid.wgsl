// Linear number of a workgroup in a grid that was folded in two because a dimension holds at most 65,535.
fn folded(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}
