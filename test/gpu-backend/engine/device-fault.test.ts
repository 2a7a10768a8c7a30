// Errors as ONNX Runtime 1.30's CUDA provider words them (seen with fake-cuda.c in a card's place), and what is made of them.

import { describe, expect, it } from "vitest";

import { deviceFaultOf, readable } from "../../../gpu-backend/engine/device-fault.ts";

const CALL =
  "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:154 std::conditional_t<THRW, void, onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, const char*, SUCCTYPE, const char*, const char*, int) [with ERRTYPE = cudaError; bool THRW = true; SUCCTYPE = cudaError] ";
const call = (what: string): string =>
  `${CALL}CUDA failure ${what} ; GPU=0 ; hostname=vm ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider.cc ; line=352 ; expr=cudaSetDevice(info_.device_id); `;
const ARENA =
  "Non-zero status code returned while running MatMulNBits node. Name:'layers.0.gate_up' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for requested buffer of size 8388608";

describe("an error of the CUDA provider", () => {
  it("is of memory, of the card, or of neither", () => {
    expect(deviceFaultOf(ARENA)).toBe("memory");
    expect(deviceFaultOf(call("2: out of memory"))).toBe("memory");
    expect(deviceFaultOf("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0")).toBe("memory");
    expect(deviceFaultOf(call("700: an illegal memory access was encountered"))).toBe("lost");
    const launch =
      "Non-zero status code returned while running Gather node. Name:'last_flat_idx' Status Message: CUDA error cudaErrorIllegalAddress:an illegal memory access was encountered";
    expect(deviceFaultOf(launch)).toBe("lost");
    expect(deviceFaultOf("CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED ; GPU=0")).toBe("lost");
    expect(
      deviceFaultOf(
        "Non-zero status code returned while running Gather node. indices element out of data bounds, idx=9",
      ),
    ).toBeUndefined();
  });

  it("is told in one sentence, with a cure where there is one", () => {
    expect(readable(call("35: CUDA driver version is insufficient for CUDA runtime version"))).toBe(
      "CUDA driver version is insufficient for CUDA runtime version (CUDA error 35): the driver is older than CUDA 13: install 580 or newer",
    );
    expect(readable(call("100: no CUDA-capable device is detected"))).toMatch(
      /^no CUDA-capable device is detected \(CUDA error 100\): in a container/,
    );
    expect(readable(call("719: unspecified launch failure"))).toBe("unspecified launch failure (CUDA error 719)");
    expect(readable(ARENA)).toMatch(/^the card's memory does not hold the model/);
    expect(readable("OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library")).toMatch(
      /gpu:install -- --check/,
    );
    expect(readable("another thing")).toBe("another thing");
  });
});
