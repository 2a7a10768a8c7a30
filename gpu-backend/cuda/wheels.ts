// What the CUDA target needs besides the npm package, from PyPI: ONNX Runtime's CUDA provider of the same version, and
// the libraries of CUDA 13 that it and they load (no cuDNN, which only convolutions need). The versions are those of
// CUDA 13.0, which the provider was built with and every driver from 580 on takes. npm run gpu:install fetches them.

/** The npm package's own; a test holds the two together. */
export const ONNXRUNTIME_VERSION = "1.30.0";
/** The oldest driver that runs CUDA 13. */
export const DRIVER_MIN = 580;

export interface Wheel {
  /** Its name in the index. */
  readonly project: string;
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Path in the wheel, name in the folder, bytes unpacked. */
  readonly members: readonly (readonly [path: string, name: string, bytes: number])[];
}

export const WHEELS: readonly Wheel[] = [
  {
    project: "onnxruntime-gpu",
    file: "onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl",
    bytes: 246_685_715,
    sha256: "6acc0f4b3d5ac5f2984432faa59dd8fcce6775f8b43a7140afa0f322c7a703b1",
    members: [
      // The npm package's binding asks for it by this name. Of the same build as the provider: the two share C++ types.
      ["onnxruntime/capi/libonnxruntime.so.1.30.0", "libonnxruntime.so.1", 29_062_976],
      ["onnxruntime/capi/libonnxruntime_providers_shared.so", "libonnxruntime_providers_shared.so", 14_632],
      ["onnxruntime/capi/libonnxruntime_providers_cuda.so", "libonnxruntime_providers_cuda.so", 272_049_904],
    ],
  },
  {
    project: "nvidia-cuda-runtime",
    file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
    bytes: 2_243_632,
    sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    members: [["nvidia/cu13/lib/libcudart.so.13", "libcudart.so.13", 704_288]],
  },
  {
    // Not linked: cuBLASLt opens it by name for kernels that it compiles as it goes.
    project: "nvidia-cuda-nvrtc",
    file: "nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
    bytes: 90_215_200,
    sha256: "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
    members: [
      ["nvidia/cu13/lib/libnvrtc.so.13", "libnvrtc.so.13", 109_338_064],
      ["nvidia/cu13/lib/libnvrtc-builtins.so.13.0", "libnvrtc-builtins.so.13.0", 4_380_616],
    ],
  },
  {
    project: "nvidia-curand",
    file: "nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl",
    bytes: 59_544_258,
    sha256: "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
    members: [["nvidia/cu13/lib/libcurand.so.10", "libcurand.so.10", 132_698_328]],
  },
  {
    project: "nvidia-cublas",
    file: "nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl",
    bytes: 423_133_236,
    sha256: "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
    members: [
      ["nvidia/cu13/lib/libcublas.so.13", "libcublas.so.13", 54_177_976],
      ["nvidia/cu13/lib/libcublasLt.so.13", "libcublasLt.so.13", 541_595_600],
    ],
  },
];
