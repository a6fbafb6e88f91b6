// What each entry point of the kernels is bound to, by the numbers of shaders/score.wgsl and shaders/pass_at_k.wgsl.

/** Buffers that are only read, by entry point. @type {Record<string, Record<number, string>>} */
const READ = {
    hidden: { 1: "mu", 2: "scale", 3: "unread", 4: "w3", 5: "b3", 15: "unread" },
    alive: {},
    score: { 7: "h", 8: "w4", 9: "b4", 10: "images", 14: "units", 15: "unread" },
    pass_at_k: { 1: "errors", 2: "thresholds", 5: "bins", 6: "before" },
};

/** Buffers that are written, too. @type {Record<string, Record<number, string>>} */
const WRITTEN = {
    hidden: { 6: "h", 12: "flags" },
    alive: { 12: "flags", 13: "units" },
    score: { 11: "errors", 16: "unwritten" },
    pass_at_k: { 3: "counts", 4: "histogram", 7: "after", 8: "found" },
};

/** Bytes of the parameters of an entry point, or a few more. */
const PARAMS = 64;

/**
 * The layout of an entry point's bindings. Parameters are at 0, one block of several in a buffer.
 * @param {GPUDevice} device
 * @param {string} entry
 */
export function layoutOf(device, entry) {
    const visibility = GPUShaderStage.COMPUTE;
    const entries = (/** @type {Record<number, string>} */ names, /** @type {GPUBufferBindingType} */ type) =>
        Object.keys(names).map((binding) => ({ binding: Number(binding), visibility, buffer: { type } }));
    return device.createBindGroupLayout({
        entries: [
            { binding: 0, visibility, buffer: { type: "uniform", hasDynamicOffset: true } },
            ...entries(READ[entry], "read-only-storage"),
            ...entries(WRITTEN[entry], "storage"),
        ],
    });
}

/**
 * An entry point's bindings.
 * @param {GPUDevice} device
 * @param {string} entry
 * @param {GPUComputePipeline} pipeline
 * @param {GPUBuffer} params
 * @param {Record<string, GPUBuffer>} buffers by name
 */
export function groupOf(device, entry, pipeline, params, buffers) {
    const entries = Object.entries({ ...READ[entry], ...WRITTEN[entry] }).map(([binding, name]) => ({
        binding: Number(binding),
        resource: { buffer: buffers[name] },
    }));
    const block = { binding: 0, resource: { buffer: params, size: PARAMS } };
    return device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [block, ...entries] });
}

/**
 * A buffer for kernels.
 * @param {GPUDevice} device
 * @param {number} size
 */
export function storage(device, size) {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    return device.createBuffer({ size: Math.max(16, size), usage });
}

/**
 * A buffer that the host reads.
 * @param {GPUDevice} device
 * @param {number} size
 */
export function staging(device, size) {
    return device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
}
