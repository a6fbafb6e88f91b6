// Waits for events other than those of a warp or a block, and agents: copies and arrivals that a thread began and that
// go on beside it. An agent does its work as late as the rules allow, when no thread can go on; in shuffled order, at
// any time and in any order.
#pragma once

namespace retrial {

// Appends to a text that is cut where it is full.
struct Text {
    char* end;
    size_t room;
    __attribute__((format(printf, 2, 3))) void add(const char* format, ...) {
        va_list arguments;
        va_start(arguments, format);
        const int length = vsnprintf(end, room, format, arguments);
        va_end(arguments);
        const size_t written = std::min(size_t(std::max(length, 0)), room ? room - 1 : 0);
        end += written;
        room -= written;
    }
};

// What a thread waits for.
struct Reason {
    void (*describe)(Text&, const void* object, unsigned detail);
    const void* object;
    unsigned detail;
    bool operator==(const Reason& other) const {
        return describe == other.describe && object == other.object && detail == other.detail;
    }
};

using Queue = std::vector<Fiber*>;

static Reason reasons[MAX_CLUSTER * MAX_THREADS]; // of threads in a queue, else with no `describe`

// Waits until another thread or an agent wakes the queue.
inline void sleep(Queue& queue, Reason reason, Site site) {
    current->site = site;
    reasons[current - fibers] = reason;
    queue.push_back(current);
    wait();
}

inline void wake(Queue& queue) {
    for (Fiber* fiber : queue) {
        reasons[fiber - fibers].describe = nullptr;
        make_ready(fiber->warp, 1u << fiber->lane);
    }
    queue.clear();
}

struct Mbarrier;

struct Agent {
    void (*run)(const Agent&);
    const char* name;
    Fiber* from;
    Site site;
    Cta* target;       // whose shared memory it changes
    Mbarrier* barrier; // where it arrives, or that counts its bytes
    unsigned char* to; // of a copy
    const void* source;
    unsigned bytes;
    bool arrival;  // after earlier ones of its thread, as each is a release
    bool released; // by its thread's arrival at the barrier of the cluster
};

static std::vector<Agent> agents;

static void begin_agents() {
    agents.clear();
    agent_count = 0;
}

inline void run_agent(size_t at) {
    const Agent agent = agents[at];
    agents.erase(agents.begin() + at);
    agent_count = agents.size();
    select(*agent.from);
    agent.run(agent);
}

// The place of the first arrival of a thread, or past the end.
inline size_t first_arrival(const Fiber* from) {
    const auto same = [&](const Agent& agent) { return agent.arrival && agent.from == from; };
    return std::find_if(agents.begin(), agents.end(), same) - agents.begin();
}

static void run_agents() {
    while (!agents.empty() && (!ready_ctas || (launch->order == 2 && random_number() % 8 == 0))) {
        const size_t at = choose_of(agents.size());
        run_agent(agents[at].arrival ? first_arrival(agents[at].from) : at);
    }
}

inline void add_agent(const Agent& agent) {
    if (!agent.target->live) {
        fail_at(agent.site, "%s to block %u of the cluster, which has exited; let it wait for the cluster before",
                agent.name, rank_of(*agent.target));
    }
    agents.push_back(agent);
    agent_count = agents.size();
}

} // namespace retrial
