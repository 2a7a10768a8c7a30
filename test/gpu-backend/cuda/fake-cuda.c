/* A card that computes nothing: CUDA's runtime and cuBLAS as far as ONNX Runtime's CUDA provider calls them. Memory is the
 * host's, and is counted; launches of kernels do nothing, or fail where they are told to. With it the real provider
 * places a graph, allocates, runs it through and meets faults on a machine without a card. Built by fake-cuda.ts, once for each
 * library. Signatures are those of CUDA 13's cuda_runtime_api.h; of the structs only what is read is filled in.
 *
 *   FAKE_CUDA_BYTES=N     memory of the card (8 GiB)
 *   FAKE_CUDA_ERROR=100   what cudaSetDevice answers (0): 100 no card, 35 an old driver
 *   FAKE_CUDA_FAULT=FILE  while the file is there, the next launch fails as after an illegal access, removes it, and all after it fail
 *   FAKE_CUDA_WIDTH=H     what is copied back to the host as rows of H floats has length 1
 *   FAKE_CUDA_LOG=FILE    gets the peak of the memory held, in bytes
 *   FAKE_CUDA_RUN_US=N    how long a run computes: what is copied back to the host waits for so many microseconds
 *   FAKE_CUDA_IDLE=FILE   gets a line a run: microseconds from the end of the one before to its first launch
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef int status;
enum { SUCCESS = 0, OUT_OF_MEMORY = 2, ILLEGAL_ADDRESS = 700, DEVICE_TO_HOST = 2 };
/* Before each piece, so that it is aligned as a card's are: CUTLASS looks. */
struct block { _Alignas(512) size_t bytes; };
static size_t held, peak;
static status broken; /* Sticky, as with a real context. */
static char handle[64];

static size_t setting(const char *name, size_t otherwise) {
  const char *value = getenv(name);
  return value ? strtoull(value, NULL, 10) : otherwise;
}
static size_t capacity(void) { return setting("FAKE_CUDA_BYTES", (size_t)8 << 30); }

status cudaMalloc(void **place, size_t bytes) {
  struct block *block = NULL;
  if (!broken && held + bytes <= capacity() && posix_memalign((void **)&block, sizeof *block, sizeof *block + bytes)) block = NULL;
  *place = block ? block + 1 : NULL;
  if (!block) return broken ? broken : OUT_OF_MEMORY;
  block->bytes = bytes;
  held += bytes;
  if (held > peak) {
    const char *log = getenv("FAKE_CUDA_LOG");
    FILE *file = log ? fopen(log, "w") : NULL;
    peak = held;
    if (file) fprintf(file, "%zu\n", peak), fclose(file);
  }
  return SUCCESS;
}
status cudaFree(void *place) {
  if (place) {
    struct block *block = (struct block *)place - 1;
    held -= block->bytes;
    free(block);
  }
  return SUCCESS;
}
status cudaMemGetInfo(size_t *free_bytes, size_t *total) { *total = capacity(); *free_bytes = *total - held; return SUCCESS; }
status cudaMallocHost(void **place, size_t bytes) { *place = malloc(bytes); return SUCCESS; }
status cudaHostAlloc(void **place, size_t bytes, unsigned flags) { (void)flags; *place = malloc(bytes); return SUCCESS; }
status cudaFreeHost(void *place) { free(place); return SUCCESS; }

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}
static double run_ended;
static void run_begins(void) {
  const char *log = run_ended ? getenv("FAKE_CUDA_IDLE") : NULL;
  FILE *file = log ? fopen(log, "a") : NULL;
  if (file) fprintf(file, "%.0f\n", now_us() - run_ended), fclose(file);
  run_ended = 0;
}

status cudaMemcpy(void *to, const void *from, size_t bytes, int kind) {
  size_t width = setting("FAKE_CUDA_WIDTH", 0);
  memmove(to, from, bytes);
  if (kind == DEVICE_TO_HOST && width && bytes % (width * sizeof(float)) == 0) {
    for (size_t index = 0; index < bytes / sizeof(float); index++) ((float *)to)[index] = 1 / sqrtf((float)width);
    usleep((useconds_t)setting("FAKE_CUDA_RUN_US", 0));
    run_ended = now_us();
  }
  return broken;
}
status cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream) { (void)stream; return cudaMemcpy(to, from, bytes, kind); }
status cudaMemset(void *place, int value, size_t bytes) { memset(place, value, bytes); return broken; }
status cudaMemsetAsync(void *place, int value, size_t bytes, void *stream) { (void)stream; return cudaMemset(place, value, bytes); }

static status launch(void) {
  run_begins();
  const char *fault = getenv("FAKE_CUDA_FAULT");
  if (fault && unlink(fault) == 0) broken = ILLEGAL_ADDRESS;
  return broken;
}
status cudaLaunchKernel(void) { return launch(); }
status cudaLaunchKernelExC(void) { return launch(); }
status __cudaLaunchKernel(void) { return launch(); }
status cudaGetLastError(void) { return broken; }
status cudaPeekAtLastError(void) { return broken; }
status cudaDeviceSynchronize(void) { return broken; }
status cudaStreamSynchronize(void) { return broken; }
status cudaEventSynchronize(void) { return broken; }
const char *cudaGetErrorName(int error) {
  return error == OUT_OF_MEMORY ? "cudaErrorMemoryAllocation" : error == ILLEGAL_ADDRESS ? "cudaErrorIllegalAddress" : "cudaErrorUnknown";
}
const char *cudaGetErrorString(int error) {
  switch (error) {
  case SUCCESS: return "no error";
  case OUT_OF_MEMORY: return "out of memory";
  case 35: return "CUDA driver version is insufficient for CUDA runtime version";
  case 100: return "no CUDA-capable device is detected";
  case ILLEGAL_ADDRESS: return "an illegal memory access was encountered";
  default: return "unknown error";
  }
}

status cudaSetDevice(void) { return (status)setting("FAKE_CUDA_ERROR", SUCCESS); }
status cudaGetDevice(int *device) { *device = 0; return SUCCESS; }
status cudaGetDeviceCount(int *count) { *count = 1; return SUCCESS; }
status cudaDriverGetVersion(int *version) { *version = 13000; return SUCCESS; }
status cudaRuntimeGetVersion(int *version) { *version = 13000; return SUCCESS; }
/* An H200: its numbers in the order of cudaDeviceAttr. */
status cudaDeviceGetAttribute(int *value, int attribute) {
  static const struct { int attribute, value; } known[] = {
    { 1, 1024 }, { 8, 49152 }, { 10, 32 }, { 16, 132 }, { 39, 2048 }, { 75, 9 }, { 76, 0 }, { 81, 233472 }, { 97, 232448 },
  };
  *value = 1;
  for (size_t index = 0; index < sizeof known / sizeof *known; index++)
    if (known[index].attribute == attribute) *value = known[index].value;
  return SUCCESS;
}
/* cudaDeviceProp as far as CUDA 13 keeps CUDA 12's places: name, 32 bytes of ids, then these. */
struct properties {
  char name[256], ids[32];
  size_t memory, shared_memory;
  int registers, warp;
  size_t pitch;
  int threads, block[3], grid[3];
  size_t constants;
  int major, minor;
  /* Not all of the rest, but what decides whether flash attention is used. */
  char rest[320];
};
status cudaGetDeviceProperties(struct properties *it) {
  memset(it, 0, sizeof *it);
  strcpy(it->name, "A card that computes nothing");
  it->memory = capacity();
  it->shared_memory = 49152;
  it->registers = 65536;
  it->warp = 32;
  it->threads = it->block[0] = it->block[1] = 1024;
  it->block[2] = 64;
  it->grid[0] = 2147483647;
  it->grid[1] = it->grid[2] = 65535;
  it->major = 9;
  return SUCCESS;
}
struct function { size_t shared, constants, local; int threads, registers, ptx, binary; };
status cudaFuncGetAttributes(struct function *it) {
  memset(it, 0, sizeof *it);
  it->threads = 1024;
  it->registers = 64;
  it->ptx = it->binary = 90;
  return SUCCESS;
}
status cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks) { *blocks = 2; return SUCCESS; }
status cudaPointerGetAttributes(void *it) { memset(it, 0, 32); return SUCCESS; }
status cudaStreamCreate(void **stream) { *stream = handle; return SUCCESS; }
status cudaStreamCreateWithFlags(void **stream) { *stream = handle; return SUCCESS; }
status cudaStreamIsCapturing(void *stream, int *is) { (void)stream; *is = 0; return SUCCESS; }
status cudaEventCreate(void **event) { *event = handle; return SUCCESS; }
status cudaEventCreateWithFlags(void **event) { *event = handle; return SUCCESS; }
status cudaEventElapsedTime(float *ms) { *ms = 1; return SUCCESS; }
void **__cudaRegisterFatBinary(void) { return (void **)handle; }
status cublasCreate_v2(void **it) { *it = handle; return SUCCESS; }
status cublasLtCreate(void **it) { *it = handle; return SUCCESS; }
status cublasGetMathMode(void *it, int *mode) { (void)it; *mode = 0; return SUCCESS; }
const char *cublasGetStatusName(void) { return "fake"; }
const char *cublasGetStatusString(void) { return "fake"; }

/* What else the provider is linked against: done, without a trace. */
#define NOTHING(name) status name(void) { return SUCCESS; }
NOTHING(__cudaGetKernel) NOTHING(__cudaPopCallConfiguration) NOTHING(__cudaPushCallConfiguration)
NOTHING(__cudaRegisterFatBinaryEnd) NOTHING(__cudaRegisterFunction) NOTHING(__cudaRegisterVar)
NOTHING(__cudaUnregisterFatBinary) NOTHING(cuInit) NOTHING(cuTensorMapEncodeTiled) NOTHING(cublasDcopy_v2)
NOTHING(cublasDestroy_v2) NOTHING(cublasDgeam) NOTHING(cublasDgemmBatched) NOTHING(cublasDgemmStridedBatched)
NOTHING(cublasDgemm_v2) NOTHING(cublasDgetrfBatched) NOTHING(cublasDgetriBatched) NOTHING(cublasGemmBatchedEx)
NOTHING(cublasGemmEx) NOTHING(cublasGemmStridedBatchedEx) NOTHING(cublasLtDestroy) NOTHING(cublasLtMatmul)
NOTHING(cublasLtMatmulAlgoConfigSetAttribute) NOTHING(cublasLtMatmulAlgoGetHeuristic) NOTHING(cublasLtMatmulAlgoInit)
NOTHING(cublasLtMatmulDescCreate) NOTHING(cublasLtMatmulDescDestroy) NOTHING(cublasLtMatmulDescSetAttribute)
NOTHING(cublasLtMatmulPreferenceCreate) NOTHING(cublasLtMatmulPreferenceDestroy)
NOTHING(cublasLtMatmulPreferenceSetAttribute) NOTHING(cublasLtMatrixLayoutCreate) NOTHING(cublasLtMatrixLayoutDestroy)
NOTHING(cublasLtMatrixLayoutSetAttribute) NOTHING(cublasLtMatrixTransform) NOTHING(cublasLtMatrixTransformDescCreate)
NOTHING(cublasLtMatrixTransformDescDestroy) NOTHING(cublasScopy_v2) NOTHING(cublasSetMathMode)
NOTHING(cublasSetStream_v2) NOTHING(cublasSgeam) NOTHING(cublasSgemmBatched) NOTHING(cublasSgemmStridedBatched)
NOTHING(cublasSgemm_v2) NOTHING(cublasSgetrfBatched) NOTHING(cublasSgetriBatched) NOTHING(cublasSscal_v2)
NOTHING(cudaEventDestroy) NOTHING(cudaEventRecord) NOTHING(cudaFreeAsync) NOTHING(cudaFuncSetAttribute)
NOTHING(cudaGetDriverEntryPointByVersion) NOTHING(cudaGraphDestroy) NOTHING(cudaGraphExecDestroy)
NOTHING(cudaGraphInstantiate) NOTHING(cudaGraphLaunch) NOTHING(cudaKernelSetAttributeForDevice)
NOTHING(cudaLaunchCooperativeKernel) NOTHING(cudaLaunchHostFunc) NOTHING(cudaLibraryGetKernel)
NOTHING(cudaLibraryLoadData) NOTHING(cudaLibraryUnload) NOTHING(cudaMallocFromPoolAsync) NOTHING(cudaMemPoolCreate)
NOTHING(cudaMemPoolDestroy) NOTHING(cudaMemPoolGetAttribute) NOTHING(cudaMemPoolSetAttribute)
NOTHING(cudaMemPoolTrimTo) NOTHING(cudaMemcpy2DAsync) NOTHING(cudaMemcpyFromSymbol) NOTHING(cudaStreamBeginCapture)
NOTHING(cudaStreamDestroy) NOTHING(cudaStreamEndCapture) NOTHING(cudaStreamWaitEvent)
