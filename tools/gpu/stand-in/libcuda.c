/* A stand-in for NVIDIA's driver library, libcuda.so.1, on a machine without a GPU: README.md has its settings
 * and the format of its record. It accepts the calls that cudarc makes for CubeCL, hands out memory, and runs
 * no kernel: every result is zero.
 *
 * Trailing arguments that a function does not use are not declared: the C calling conventions of x86-64 and
 * AArch64 let a caller pass more.
 */
#include "record.h"
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

typedef unsigned long long Pointer;

#define ACCEPT(name) \
    Result name(void) { return SUCCESS; }

enum { MAX_THREADS = 1024, SHARED_WITHOUT_ASKING = 49152 };

struct block { Pointer start; size_t size; struct device *device; struct block *next; };
struct stream { int number; };
/* Parameters of a kernel: pointers, then a structure of this many bytes, if any. */
struct parameters { int pointers, structure; };
struct module { int number; struct parameters parameters; };
struct function { int module; size_t shared_limit; struct parameters parameters; };

static struct block *blocks;

/* ---- Driver, devices, contexts ---------------------------------------------------------------------- */

Result cuInit(void) {
    pthread_once(&once, start);
    return SUCCESS;
}

ACCEPT(cuCtxSynchronize)
ACCEPT(cuDevicePrimaryCtxRelease_v2)

/* Answers a question with a number. */
static Result answer(int *to, int value) {
    *to = value;
    return SUCCESS;
}

Result cuDriverGetVersion(int *version) {
    pthread_once(&once, start);
    return answer(version, driver_version);
}

Result cuDeviceGetCount(int *count) {
    pthread_once(&once, start);
    return answer(count, device_count);
}

Result cuDeviceGet(int *device, int ordinal) {
    pthread_once(&once, start);
    return ordinal >= 0 && ordinal < device_count ? answer(device, ordinal) : INVALID_DEVICE;
}

Result cuDeviceGetName(char *name, int length, int device) {
    snprintf(name, (size_t)length, "Stand-in GPU %d", device);
    return SUCCESS;
}

Result cuDeviceGetUuid_v2(char *uuid, int device) {
    memset(uuid, device + 1, 16);
    return SUCCESS;
}

Result cuDeviceGetUuid(char *uuid, int device) { return cuDeviceGetUuid_v2(uuid, device); }

Result cuDeviceGetPCIBusId(char *bus, int length, int device) {
    snprintf(bus, (size_t)length, "0000:%02x:00.0", device + 1);
    return SUCCESS;
}

Result cuDeviceTotalMem_v2(size_t *size) {
    *size = memory_size;
    return SUCCESS;
}

Result cuMemGetInfo_v2(size_t *available, size_t *total) {
    enter();
    *available = memory_size - current->held;
    *total = memory_size;
    return leave(SUCCESS);
}

/* Shared memory that a block may ask for, in bytes. */
static int shared_memory(void) { return capability >= 90 ? 232448 : 166912; }

static int attribute(int number, int device) {
    switch (number) {
    case 1: return MAX_THREADS;             /* threads of a block */
    case 2: case 3: return 1024;            /* block, x and y */
    case 4: return 64;                      /* block, z */
    case 5: return 2147483647;              /* grid, x */
    case 6: case 7: return 65535;           /* grid, y and z */
    case 8: return SHARED_WITHOUT_ASKING;   /* shared memory of a block */
    case 10: return 32;                     /* threads of a warp */
    case 12: case 82: return 65536;         /* registers of a block, of a multiprocessor */
    case 13: return 1980000;                /* clock, kHz */
    case 14: return 512;                    /* alignment of textures */
    case 16: return capability >= 100 ? 148 : capability >= 90 ? 132 : 108; /* multiprocessors */
    case 33: return device + 1;             /* PCI bus */
    case 34: case 50: return 0;             /* PCI device and domain */
    case 38: return 52428800;               /* L2 cache */
    case 39: return 2048;                   /* threads of a multiprocessor */
    case 75: return capability / 10;        /* compute capability */
    case 76: return capability % 10;
    case 81: return shared_memory() + 1024; /* shared memory of a multiprocessor */
    case 97: return shared_memory();        /* shared memory of a block, by asking */
    default: return 1;                      /* a property that the device has */
    }
}

Result cuDeviceGetAttribute(int *value, int number, int device) {
    return answer(value, attribute(number, device));
}

Result cuDevicePrimaryCtxRetain(void **context, int device) {
    *context = &devices[device];
    return SUCCESS;
}

Result cuCtxSetCurrent(void *context) {
    current = context;
    return SUCCESS;
}

Result cuCtxGetCurrent(void **context) {
    *context = current;
    return SUCCESS;
}

Result cuCtxGetStreamPriorityRange(int *least, int *greatest) {
    *least = 0;
    *greatest = -5;
    return SUCCESS;
}

/* ---- Streams and events: all work is finished when its call returns ---------------------------------- */

ACCEPT(cuStreamSynchronize)
ACCEPT(cuStreamQuery)
ACCEPT(cuStreamWaitEvent)
ACCEPT(cuEventRecord)
ACCEPT(cuEventSynchronize)
ACCEPT(cuEventQuery)

Result cuStreamCreate(void **stream) {
    enter();
    struct stream *made = malloc(sizeof *made);
    if (!made) return leave(OUT_OF_MEMORY);
    made->number = ++stream_count;
    note("stream %d %d\n", current->index, made->number);
    *stream = made;
    return leave(SUCCESS);
}

Result cuStreamCreateWithPriority(void **stream) { return cuStreamCreate(stream); }

Result cuStreamDestroy_v2(void *stream) {
    free(stream);
    return SUCCESS;
}

Result cuStreamIsCapturing(void *stream, int *status) {
    (void)stream;
    return answer(status, 0);
}

Result cuEventCreate(void **event) {
    *event = malloc(1);
    return *event ? SUCCESS : OUT_OF_MEMORY;
}

Result cuEventDestroy_v2(void *event) {
    free(event);
    return SUCCESS;
}

Result cuEventElapsedTime_v2(float *milliseconds) {
    *milliseconds = 0.001f;
    return SUCCESS;
}

Result cuEventElapsedTime(float *milliseconds) { return cuEventElapsedTime_v2(milliseconds); }

/* ---- Memory ----------------------------------------------------------------------------------------- */

static void *host(Pointer pointer) { return (void *)(uintptr_t)pointer; }

Result cuMemAlloc_v2(Pointer *pointer, size_t size) {
    enter();
    struct block *made = current->held + size <= memory_size ? malloc(sizeof *made) : NULL;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *start = made ? mmap(NULL, size + 1, PROT_READ | PROT_WRITE, flags, -1, 0) : MAP_FAILED;
    if (start == MAP_FAILED) {
        free(made);
        note("refuse %d %zu %zu\n", current->index, size, current->held);
        return leave(OUT_OF_MEMORY);
    }
    *made = (struct block){(Pointer)(uintptr_t)start, size, current, blocks};
    blocks = made;
    current->held += size;
    note("allocate %d %zu %zu\n", current->index, size, current->held);
    *pointer = made->start;
    return leave(SUCCESS);
}

Result cuMemAllocAsync(Pointer *pointer, size_t size) { return cuMemAlloc_v2(pointer, size); }

Result cuMemFree_v2(Pointer pointer) {
    enter();
    struct block **link = &blocks;
    while (*link && (*link)->start != pointer) link = &(*link)->next;
    struct block *block = *link;
    if (!block) return leave(INVALID_VALUE);
    *link = block->next;
    block->device->held -= block->size;
    note("free %d %zu %zu\n", block->device->index, block->size, block->device->held);
    munmap(host(block->start), block->size + 1);
    free(block);
    return leave(SUCCESS);
}

Result cuMemFreeAsync(Pointer pointer) { return cuMemFree_v2(pointer); }

Result cuMemAllocHost_v2(void **pointer, size_t size) {
    *pointer = malloc(size + 1);
    return *pointer ? SUCCESS : OUT_OF_MEMORY;
}

Result cuMemHostAlloc(void **pointer, size_t size) { return cuMemAllocHost_v2(pointer, size); }

Result cuMemFreeHost(void *pointer) {
    free(pointer);
    return SUCCESS;
}

static Result copied(const char *kind, size_t size) {
    enter();
    note("copy %d %s %zu\n", current->index, kind, size);
    /* So that a reader of the record sees the calls of a running program. */
    if (record && strcmp(kind, "dtoh") == 0) fflush(record);
    return leave(SUCCESS);
}

Result cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t size) {
    memcpy(host(to), from, size);
    return copied("htod", size);
}

/* A buffer that no kernel has written may hold what was in its memory before: the host gets zeros. */
Result cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t size) {
    (void)from;
    memset(to, 0, size);
    return copied("dtoh", size);
}

Result cuMemcpyHtoD_v2(Pointer to, const void *from, size_t size) { return cuMemcpyHtoDAsync_v2(to, from, size); }
Result cuMemcpyDtoH_v2(void *to, Pointer from, size_t size) { return cuMemcpyDtoHAsync_v2(to, from, size); }

/* Copies between devices and clearing are not performed: they would map pages for results that are zero. */
Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t size) {
    (void)to, (void)from;
    return copied("dtod", size);
}

Result cuMemcpyPeerAsync(Pointer to, void *to_context, Pointer from, void *from_context, size_t size) {
    (void)to, (void)to_context, (void)from, (void)from_context;
    return copied("peer", size);
}

Result cuMemsetD8Async(Pointer to, unsigned char value, size_t size) {
    (void)to, (void)value;
    return copied("set", size);
}

/* One side of a copy of rows, and the copy, as in CUDA_MEMCPY2D. */
struct side { size_t x, y; int kind; void *host; Pointer device; void *array; size_t pitch; };
struct rows { struct side from, to; size_t width, height; };

static int is_host(const struct side *side) { return side->kind == 1; }

static char *row(const struct side *side, size_t index) {
    char *start = is_host(side) ? side->host : host(side->device);
    return start + (side->y + index) * side->pitch + side->x;
}

Result cuMemcpy2DAsync_v2(const struct rows *rows) {
    const char *kind = is_host(&rows->from) ? "htod" : is_host(&rows->to) ? "dtoh" : "dtod";
    for (size_t index = 0; index < rows->height && strcmp(kind, "dtod") != 0; index++) {
        if (is_host(&rows->to)) memset(row(&rows->to, index), 0, rows->width);
        else memcpy(row(&rows->to, index), row(&rows->from, index), rows->width);
    }
    return copied(kind, rows->width * rows->height);
}

/* ---- Kernels ---------------------------------------------------------------------------------------- */

ACCEPT(cuModuleUnload)

/* The parameters of the first kernel of a module. */
static struct parameters parameters_of(const char *text) {
    struct parameters found = {0, 0};
    const char *at = strstr(text, ".entry");
    const char *end = at ? strchr(at, ')') : NULL;
    while (at && (at = strstr(at + 1, ".param")) && at < end) {
        const char *stop = at + strcspn(at, ",)");
        const char *length = memchr(at, '[', (size_t)(stop - at));
        if (length) found.structure = atoi(length + 1);
        else found.pointers++;
    }
    return found;
}

Result cuModuleLoadData(void **module, const void *image) {
    enter();
    struct module *made = malloc(sizeof *made);
    if (!made) return leave(OUT_OF_MEMORY);
    *made = (struct module){++module_count, parameters_of(image)};
    *module = made;
    char path[4096];
    snprintf(path, sizeof path, "%s/module-%d.ptx", folder ? folder : "", made->number);
    FILE *file = folder ? fopen(path, "w") : NULL;
    if (file) {
        fputs(image, file);
        fclose(file);
    }
    return leave(SUCCESS);
}

Result cuModuleGetFunction(void **function, struct module *module, const char *name) {
    enter();
    struct function *made = malloc(sizeof *made);
    if (!made) return leave(OUT_OF_MEMORY);
    *made = (struct function){module->number, SHARED_WITHOUT_ASKING, module->parameters};
    note("function %d %s\n", made->module, name);
    *function = made;
    return leave(SUCCESS);
}

Result cuModuleGetGlobal_v2(void) { return NOT_FOUND; }

Result cuFuncSetAttribute(struct function *function, int number, int value) {
    const int dynamic_shared = 8;
    enter();
    if (number != dynamic_shared) return leave(SUCCESS);
    if (value > shared_memory()) return leave(INVALID_VALUE);
    function->shared_limit = (size_t)value;
    return leave(SUCCESS);
}

/* Why a GPU refuses a launch, or NULL. */
static const char *fault(const struct function *function, const unsigned grid[3], const unsigned block[3],
                         unsigned shared) {
    for (int axis = 0; axis < 3; axis++) {
        if (grid[axis] == 0 || grid[axis] > (unsigned)attribute(5 + axis, 0)) return "grid";
        if (block[axis] == 0 || block[axis] > (unsigned)attribute(2 + axis, 0)) return "block";
    }
    if ((size_t)block[0] * block[1] * block[2] > MAX_THREADS) return "threads";
    return shared > function->shared_limit ? "shared" : NULL;
}

/* Writes the structure that is a kernel's last parameter, as hexadecimal digits. */
static void note_structure(const struct parameters *parameters, void **values) {
    if (!record) return;
    const unsigned char *bytes = parameters->structure ? values[parameters->pointers] : NULL;
    fprintf(record, " %d ", parameters->pointers);
    for (int index = 0; index < parameters->structure; index++) fprintf(record, "%02x", bytes[index]);
    fputs(bytes ? "\n" : "-\n", record);
}

Result cuLaunchKernel(struct function *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                      unsigned block_y, unsigned block_z, unsigned shared, struct stream *stream, void **values) {
    enter();
    const unsigned grid[3] = {grid_x, grid_y, grid_z}, block[3] = {block_x, block_y, block_z};
    const char *reason = fault(function, grid, block, shared);
    if (reason) {
        note("invalid %d %d %s\n", current->index, function->module, reason);
        return leave(INVALID_VALUE);
    }
    note("launch %d %d %d %u %u %u %u %u %u %u", current->index, function->module, stream ? stream->number : 0,
         grid_x, grid_y, grid_z, block_x, block_y, block_z, shared);
    note_structure(&function->parameters, values);
    return leave(SUCCESS);
}

/* ---- Errors ----------------------------------------------------------------------------------------- */

Result cuGetErrorName(Result error, const char **name) {
    *name = error == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_INVALID_VALUE";
    return SUCCESS;
}

Result cuGetErrorString(Result error, const char **text) {
    *text = error == OUT_OF_MEMORY ? "out of memory" : "invalid argument";
    return SUCCESS;
}
