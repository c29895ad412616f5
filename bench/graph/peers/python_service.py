"""A graph behind HTTP as its users write it: FastAPI, uvicorn, ONNX Runtime, one request at a time.

usage: python_service.py MODEL.onnx PORT THREADS
POST /infer takes the tensor's bytes [1,3,224,224] uint8, answers the scores' bytes. ONNX Runtime has THREADS threads.
"""
import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool


def application(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    app = FastAPI()

    @app.get("/health")
    def health():
        return {"ready": True}

    @app.post("/infer")
    async def infer(request: Request):
        picture = np.frombuffer(await request.body(), np.uint8).reshape(1, 3, 224, 224)
        scores = await run_in_threadpool(lambda: session.run(None, {"picture": picture})[0])
        return Response(scores.tobytes(), media_type="application/octet-stream")

    return app


if __name__ == "__main__":
    uvicorn.run(application(sys.argv[1], int(sys.argv[3])), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
