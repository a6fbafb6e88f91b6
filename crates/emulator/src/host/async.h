// cp.async (PTX ISA, "Data Movement and Conversion Instructions"). A copy is done as late as the instructions allow, by
// the wait for it, and its target is poisoned until then: a kernel that reads too early reads NaN.
#pragma once

namespace retrial {

// A copy that `cp.async` began.
struct Copy {
    void* to;
    const void* from;
    int bytes, source_bytes;
    unsigned group;
};

// A thread's copies that are under way, and the number of groups it has committed.
struct Copies {
    std::vector<Copy> list;
    unsigned groups;
};

static Copies copies[MAX_CLUSTER * MAX_THREADS];

static void begin_copies() {
    each_thread([](unsigned at, unsigned) {
        copies[at].list.clear();
        copies[at].groups = 0;
    });
}

} // namespace retrial

// cp.async.ca.shared.global [to], [from], bytes, source_bytes: the rest is zero.
inline void emulated_cp_async(void* to, const void* from, int bytes, int source_bytes, RETRIAL_SITE) {
    using namespace retrial;
    if ((bytes != 4 && bytes != 8 && bytes != 16) || source_bytes < 0 || source_bytes > bytes) {
        fail_at(RETRIAL_HERE, "cp.async copies 4, 8 or 16 bytes, not %d of %d", source_bytes, bytes);
    }
    if ((reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % bytes) {
        fail_at(RETRIAL_HERE, "cp.async of %d bytes from %p to %p, which must be multiples of that", bytes, from, to);
    }
    check_in_shared("cp.async to", to, bytes, RETRIAL_HERE);
    memset(to, POISON, bytes);
    copies[current - fibers].list.push_back({to, from, bytes, source_bytes, copies[current - fibers].groups});
}

// cp.async.commit_group.
inline void emulated_cp_async_commit() { ++retrial::copies[retrial::current - retrial::fibers].groups; }

// cp.async.wait_group groups_left: does the calling thread's copies but for those of its latest groups.
inline void emulated_cp_async_wait(int groups_left, RETRIAL_SITE) {
    using namespace retrial;
    current->site = RETRIAL_HERE;
    auto& [list, groups] = copies[current - fibers];
    const unsigned kept = groups - std::min(groups, unsigned(groups_left));
    const auto end = std::find_if(list.begin(), list.end(), [&](const Copy& copy) { return copy.group >= kept; });
    for (auto copy = list.begin(); copy != end; ++copy) {
        memcpy(copy->to, copy->from, copy->source_bytes);
        memset(static_cast<unsigned char*>(copy->to) + copy->source_bytes, 0, copy->bytes - copy->source_bytes);
    }
    list.erase(list.begin(), end);
}
