/* Settings of the stand-in, its devices, and the record of its calls: README.md. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef int Result;

/* Results of the driver's interface. */
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, NOT_FOUND = 500 };

enum { MAX_DEVICES = 16 };

struct device { int index; size_t held; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static FILE *record;
static const char *folder;
static struct device devices[MAX_DEVICES];
static int device_count, driver_version, capability, module_count, stream_count;
static size_t memory_size;
static __thread struct device *current;

static size_t setting(const char *name, size_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void start(void) {
    device_count = (int)setting("LUNGS_STAND_IN_DEVICES", 1);
    if (device_count > MAX_DEVICES) device_count = MAX_DEVICES;
    driver_version = (int)setting("LUNGS_STAND_IN_DRIVER", 13000);
    memory_size = setting("LUNGS_STAND_IN_MIB", 81920) << 20;
    capability = (int)setting("LUNGS_STAND_IN_CAPABILITY", 90);
    for (int index = 0; index < MAX_DEVICES; index++) devices[index].index = index;
    folder = getenv("LUNGS_STAND_IN_OUT");
    if (!folder) return;
    mkdir(folder, 0777);
    char path[4096];
    snprintf(path, sizeof path, "%s/calls.txt", folder);
    record = fopen(path, "w");
    if (!record) {
        perror(path);
        exit(2);
    }
}

/* Begins a call: settings are read, a device is current, and no other call runs until `leave`. */
static void enter(void) {
    pthread_once(&once, start);
    pthread_mutex_lock(&lock);
    if (!current) current = &devices[0];
}

static Result leave(Result result) {
    pthread_mutex_unlock(&lock);
    return result;
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...) {
    if (!record) return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(record, format, arguments);
    va_end(arguments);
}

__attribute__((destructor)) static void finish(void) {
    if (record) fflush(record);
}
